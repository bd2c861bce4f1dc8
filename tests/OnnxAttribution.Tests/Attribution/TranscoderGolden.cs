using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>A case of Goldens/transcoders-*: circuit-tracer's adjacency in float64, from tests/references/goldens_transcoders.py.</summary>
internal sealed class TranscoderGolden : IDisposable
{
    private readonly SafetensorsFile _file;

    private TranscoderGolden(string name)
    {
        var folder = Path.Combine(GoldenCase.Root, name);
        Facts = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!;
        _file = SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors"));
        Nodes = [.. this["layer"].Zip(this["position"], this["feature"]).Select(n => ((int)n.First, (int)n.Second, (int)n.Third))];
    }

    public JsonNode Facts { get; }

    /// <summary>Layer (−1: a token), position, feature (−1: an error, or a token).</summary>
    public IReadOnlyList<(int Layer, int Position, int Feature)> Nodes { get; }

    public int[] Tokens => [.. Facts["tokens"]!.AsArray().Select(t => (int)t!)];
    public int[] Targets => [.. Facts["targets"]!.AsArray().Select(t => (int)t!)];
    public MetricRequest Metric => new(MetricKind.LogitDiff, null, (int)Facts["target"]!, (int)Facts["foil"]!);
    public string Checkpoint => Path.Combine(GoldenCase.Root, "models", (string)Facts["model"]!);
    public string Transcoders => Path.Combine(Checkpoint, "transcoders", (string)Facts["transcoders"]!);

    public double[] this[string tensor] => _file.ReadDoubles(tensor);

    public static IEnumerable<string> Names =>
        Directory.GetDirectories(GoldenCase.Root, "transcoders-*").Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal);

    public static TranscoderGolden Open(string name) => new(name);

    /// <summary>A bundle of the case's model with its transcoders, and no other dictionary unless folders of such are given.</summary>
    public string Bundle(string to, params string[] further)
    {
        BundleWriter.Write(new ExportOptions(Checkpoint, [Transcoders, .. further], to));
        return to;
    }

    /// <summary>The same with screens beside the transcoders.</summary>
    public string ScreenedBundle(string to)
    {
        BundleWriter.Write(new ExportOptions(Checkpoint, [Transcoders], to) { Screens = true });
        return to;
    }

    public LoadedModel OpenModel(TemporaryDirectory at, params string[] sites) =>
        LoadedModel.OpenSelected(Bundle(at["bundle"]),
            new ModelSelection(sites.Length == 0 ? null : sites, MlpReplacement.WhereOnlyTranscoders), new RunContext(threads: 1));

    /// <summary>The place that a node of ours has among the case's.</summary>
    public int IndexOf(CausalNode node) =>
        Nodes.Index().First(n => n.Item == (node.Site.Name == "hook_embed" ? -1 : node.Site.Layer, node.Position, node.Feature)).Index;

    public void Dispose() => _file.Dispose();
}
