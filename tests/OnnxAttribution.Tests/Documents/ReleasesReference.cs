using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Documents;

/// <summary>docs/reference/releases.md, made from the table of releases.</summary>
internal static class ReleasesReference
{
    public const string File = "docs/reference/releases.md";

    public static string Text() => string.Join("\n\n", [
        "# Releases of dictionaries that are known",
        "Made by a test from the table in the program (`src/OnnxAttribution/Checkpoints/releases.json`). Each name goes behind\n"
            + "`--dictionaries` of [`fetch`](../guides/fetch.md), whole or by a short name, which several may share; "
            + "`fetch` brings other\nrepositories as `hf:OWNER/NAME`.",
        "A fact that is not in a source below is not in the table: a dash under *BOS* means that the dictionaries' own files say it, one\n"
            + "under *Neuronpedia* that the table has no name of theirs there.",
        .. KnownRelease.All.GroupBy(r => r.Model).OrderBy(g => g.Key, StringComparer.Ordinal).Select(Section),
        "## Sources",
        string.Join('\n', ReleaseTable.Known.Sources.Select(s => $"- {s.Key}: {s.Value}")),
    ]) + "\n";

    private static string Section(IGrouping<string, KnownRelease> model) => $"## {model.Key}\n\n"
        + "| release | short | sites, layers | repository | BOS | Neuronpedia | source |\n|---|---|---|---|---|---|---|\n"
        + string.Join('\n', model.Select(Row));

    private static string Row(KnownRelease release)
    {
        var sites = string.Join(", ", release.Dictionaries.GroupBy(d => (Hook(d), d.Repository)).Select(g => $"{g.Key.Item1} {Layers(g)}"));
        var bos = release.Dictionaries[0].PrependBos switch { true => "yes", false => "no", null => "–" };
        var page = release.Dictionaries.All(d => d.NeuronpediaId is not null) ? "yes"
            : release.Dictionaries.Any(d => d.NeuronpediaId is not null) ? "some" : "–";
        return $"| {release.Name} | {string.Join(", ", release.Aliases)} | {(release.HasTranscoders ? "transcoders: " : "")}{sites}"
            + $"{(release.Choice is { } choice ? $"; {choice}" : "")} | "
            + $"{string.Join(", ", release.Dictionaries.Select(d => d.Repository).Distinct())} | {bos} | {page} | {release.SourceName} |";
    }

    private static string Hook(ReleasedDictionary dictionary) =>
        dictionary.Hook[(dictionary.Hook.LastIndexOf('.') + 1)..].Replace("hook_", "");

    private static string Layers(IEnumerable<ReleasedDictionary> dictionaries)
    {
        var layers = dictionaries.Select(d => d.Layer).Distinct().Order().ToList();
        return layers.Count == 1 ? $"{layers[0]}" : layers[^1] - layers[0] + 1 == layers.Count ? $"{layers[0]}-{layers[^1]}"
            : string.Join(" ", layers);
    }
}
