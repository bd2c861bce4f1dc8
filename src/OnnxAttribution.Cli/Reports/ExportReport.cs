using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;

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
        if (manifest.Dictionaries.Count == 0)
        {
            output.WriteLine("no dictionaries: every site has error nodes only");
        }
        else
        {
            var table = Screen.Table("Dictionaries", "site", "architecture", "#features", "#k", "input", "bos");
            foreach (var d in manifest.Dictionaries)
            {
                table.AddRow(d.HookName == d.Site ? d.Site : $"{d.Site} ({d.HookName})", d.Architecture, $"{d.DSae:N0}", d.K is { } k
                    ? $"{k}"
                    : "", d.NormalizeActivations == "none" ? "as it is" : d.NormalizeActivations, d.PrependBos ? "yes" : "no");
            }
            console.Write(table);
        }
        output.WriteLine($"wrote {Path.Combine(bundle, BundleManifest.FileName)}; the bundle holds");
        foreach (var (file, record) in manifest.Files.Where(f => !f.Key.Contains('/')))
        {
            output.WriteLine($"  {file,-24} {Screen.Bytes(record.Bytes),10}");
        }
        if (manifest.Dictionaries.Count > 0)
        {
            output.WriteLine(
                $"  {"dictionaries",-24} {Screen.Bytes(manifest.Files.Where(f => f.Key.Contains('/')).Sum(f => f.Value.Bytes)),10}");
        }
    }
}
