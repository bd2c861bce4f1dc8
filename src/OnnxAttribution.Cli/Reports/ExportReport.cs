using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>export</c> prints: the model, its dictionaries, and the bundle's files.</summary>
internal static class ExportReport
{
    public static JsonObject ToJson(string bundle, BundleManifest manifest) => new()
    {
        ["bundle"] = bundle,
        ["manifest"] = JsonNode.Parse(manifest.ToJson()),
    };

    public static void Print(TextWriter output, string bundle, BundleManifest manifest)
    {
        var console = Screen.On(output);
        output.WriteLine($"{manifest.Name}: {manifest.Architecture}, {manifest.NLayers} layers, width {manifest.DModel}, "
            + $"{manifest.NHeads} heads, {manifest.DVocab:N0} tokens, context {manifest.NCtx}, {manifest.Sites.Count} sites");
        var p = manifest.WeightProcessing;
        string[] processing = [.. new[]
        {
            (p.FoldLayernorm, "LayerNorm folded"),
            (p.CenterWritingWeights, "writing weights centred"),
            (p.CenterUnembed, "unembedding centred"),
            (p.FoldValueBiases, "value biases folded")
        }.Where(x => x.Item1).Select(x => x.Item2)];
        output.WriteLine($"weights: {(processing.Length == 0 ? "as they came" : string.Join(", ", processing))}");
        if (manifest.Adopted is { } adopted) PrintAdopted(output, adopted);
        if (manifest.Dictionaries.Count == 0)
        {
            output.WriteLine("no dictionaries: every site has error nodes only");
        }
        else
        {
            console.Write(Dictionaries(manifest));
        }
        output.WriteLine($"wrote {Path.Combine(bundle, BundleManifest.FileName)}; the bundle holds");
        bool IsOfDictionary(string file) => manifest.Dictionaries.Any(d => file.StartsWith($"{d.Path}/", StringComparison.Ordinal));
        foreach (var (file, record) in manifest.Files.Where(f => !IsOfDictionary(f.Key)))
        {
            output.WriteLine($"  {file,-24} {Screen.Bytes(record.Bytes),10}");
        }
        if (manifest.Dictionaries.Count > 0)
        {
            output.WriteLine(
                $"  {"dictionaries",-24} {Screen.Bytes(manifest.Files.Where(f => IsOfDictionary(f.Key)).Sum(f => f.Value.Bytes)),10}");
        }
    }

    private static Table Dictionaries(BundleManifest manifest)
    {
        var table = Screen.Table("Dictionaries", "site", "architecture", "#features", "#k", "input", "bos");
        foreach (var d in manifest.Dictionaries)
        {
            table.AddRow(d.HookName == d.Site ? d.Site : $"{d.Site} ({d.HookName})", d.Architecture, $"{d.DSae:N0}", d.K is { } k
                ? $"{k}"
                : "", d.NormalizeActivations == "none" ? "as it is" : d.NormalizeActivations, d.PrependBos ? "yes" : "no");
        }
        return table;
    }

    // what the bundle's graph has no more of what the foreign one has
    private static void PrintAdopted(TextWriter output, BundleManifest.AdoptionRecord adopted)
    {
        foreach (var group in adopted.Filled.GroupBy(f => f.Value, f => f.Key))
        {
            output.WriteLine($"filled in: {Some([.. group])}: {group.Key}");
        }
        if (adopted.Unread.Count > 0) output.WriteLine($"not read: {Some(adopted.Unread)}");
        if (adopted.LeftOut.Count > 0) output.WriteLine($"left out: {Some(adopted.LeftOut)}");
        foreach (var (type, count) in adopted.Widened) output.WriteLine($"widened: {type} to float32, {count:N0} weights");
    }

    private static string Some(IReadOnlyList<string> names) => names.Count <= 3
        ? string.Join(", ", names)
        : $"{names[0]}, {names[1]} and {names.Count - 2:N0} more up to {names[^1]}";
}
