using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

/// <summary>In what two compared runs differ, a sentence each.</summary>
internal static class ComparisonNotes
{
    private const int MostListed = 4;

    public static IReadOnlyList<string> Of(ComparedSide a, ComparedSide b, RunAlignment alignment)
    {
        var (recordA, recordB) = (a.Stored.Record, b.Stored.Record);
        var notes = new List<string>();
        if (RealPath.Of(MergedRun.Locate(a.Run)) == RealPath.Of(MergedRun.Locate(b.Run)))
        {
            notes.Add("A and B are the same run, so nothing can differ");
        }
        if (recordA is PromptRunRecord { TokenStrings: { } tokensA } && recordB is PromptRunRecord { TokenStrings: { } tokensB }
            && !tokensA.SequenceEqual(tokensB) && alignment == RunAlignment.Position)
        {
            var lengths = tokensA.Count == tokensB.Count ? "" : $" ({tokensA.Count} and {tokensB.Count} tokens)";
            notes.Add($"the prompts differ{lengths}: positions are counted from the first token, whatever stands there");
        }
        if (Metric(recordA) != Metric(recordB))
        {
            notes.Add($"A explains {Metric(recordA)}, B {Metric(recordB)}: effects are of different things");
        }
        AddMoved(notes, recordA, recordB);
        AddRows(notes, a, b, alignment);
        if (recordA is AblationRunRecord != recordB is AblationRunRecord)
        {
            notes.Add("edges of one run are changes of downstream activations, of the other changes of the metric: "
                + "compare which there are, not their effects");
        }
        if (!ComparedDictionaries.IsSameModel(a, b))
        {
            var seen = ComparedDictionaries.AreSeen(a, b) ? "the same dictionaries"
                : "nobody has looked whether their dictionaries are the same, since a bundle is gone or changed";
            notes.Add($"the models differ ({recordA.Model ?? "A"}, {recordB.Model ?? "B"}): {seen}");
        }
        if (Options(recordA, recordB) is { Length: > 0 } options) notes.Add($"asked otherwise: {options}");
        return notes;
    }

    // what is done to a node, and where its effect is read
    private static void AddMoved(List<string> notes, RunRecord a, RunRecord b)
    {
        if (a is not PromptRunRecord ofA || b is not PromptRunRecord ofB) return;
        var isSame = ofA.TokenStrings is { } tokens && ofB.TokenStrings is { } others && tokens.SequenceEqual(others);
        if (isSame && ofA.Position != ofB.Position)
        {
            notes.Add($"the metric is read after position {ofA.Position} in A, {ofB.Position} in B: effects are of different things");
        }
        var (toA, toB) = (MovedTo(ofA), MovedTo(ofB));
        if (toA != toB) notes.Add($"A moves activations to {toA}, B to {toB}: effects are of different changes");
    }

    private static string MovedTo(PromptRunRecord run) => run.PatchPrompt is { } prompt ? $"those of '{prompt}'"
        : run.PatchTokenStrings is { } tokens ? $"those of '{string.Concat(tokens)}'"
        : run is AblationRunRecord { Options.Coefficient: not (null or 0) } ? "a multiple" : "zero";

    // rows that only seem to say that a run left something out, or that it holds the same
    private static void AddRows(List<string> notes, ComparedSide a, ComparedSide b, RunAlignment alignment)
    {
        var (onlyA, onlyB) = (Beyond(a, b), Beyond(b, a));
        if (onlyA.Count + onlyB.Count > 0)
        {
            var parts = ((string Run, List<string> Sites)[])[("A", onlyA), ("B", onlyB)];
            var said = parts.Where(p => p.Sites.Count > 0).Select(p => $"{Listed(p.Sites)} in {p.Run} alone");
            notes.Add($"sites differ, {string.Join(", ", said)}: nodes there are in one run alone, and the other's edges go past them");
        }
        if (alignment == RunAlignment.Position && !a.IsSummed && (Lumps(a) || Lumps(b)))
        {
            notes.Add("an error without a position is what a run has left of its site's, over other positions in A than in B");
        }
    }

    private static List<string> Beyond(ComparedSide one, ComparedSide other)
    {
        var (asked, others) = (one.Stored.Record.Sites ?? [.. one.Sites], other.Stored.Record.Sites ?? [.. other.Sites]);
        return [.. asked.Except(others)];
    }

    private static string Listed(List<string> sites) => sites.Count <= MostListed ? string.Join(", ", sites)
        : $"{string.Join(", ", sites.Take(MostListed))} and {sites.Count - MostListed} more";

    private static bool Lumps(ComparedSide side) =>
        side.Stored.Nodes.Any(n => n is { Feature: CausalNode.Error, Position: < 0 } && Site.Parse(n.Site).Kind != SiteKind.Embed);

    private static string Metric(RunRecord record) => record is PromptRunRecord { Target: { } target, Foil: var foil }
        ? $"{record.Metric} of '{target}'{(foil is null ? "" : $" over '{foil}'")}" : record.Metric ?? "its metric";

    private static string Options(RunRecord a, RunRecord b)
    {
        var (ofA, ofB) = (Texts(a), Texts(b));
        return string.Join(", ", ofA.Keys.Union(ofB.Keys).Where(name => name != "memory_bytes"
                && ofA.GetValueOrDefault(name) != ofB.GetValueOrDefault(name))
            .Select(name => $"{name.Replace('_', ' ')} {ofA.GetValueOrDefault(name) ?? "–"} / {ofB.GetValueOrDefault(name) ?? "–"}"));
    }

    private static Dictionary<string, string> Texts(RunRecord record) =>
        record.Asked is { } asked ? RunJson.Texts(asked).ToDictionary(t => t.Name, t => t.Text) : [];
}
