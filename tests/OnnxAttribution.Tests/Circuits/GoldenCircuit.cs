using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Circuits as case.json lists them.</summary>
internal static class GoldenCircuit
{
    /// <summary>[site, feature] or [site, position, feature].</summary>
    public static Circuit Of(LoadedModel model, JsonNode listed) => new(listed.AsArray().Select(n => Node(model, n!.AsArray())));

    public static LoadedModel OpenModel(GoldenCase golden, TemporaryDirectory at)
    {
        if ((string)golden.Facts["model"]! != "tiny") return golden.OpenModel(at);
        golden.RequireWeights(Repository.TinyModel);
        return golden.OpenModel(at, Repository.TinyModel);
    }

    public static MetricKind Metric(string name) => (MetricKind)OnnxAttribution.Attribution.Metric.Names.ToList().IndexOf(name);

    public static void Close(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance * Math.Max(1, Math.Abs(expected)),
            $"{what} is {actual:g9}, PyTorch has {expected:g9}");

    private static CircuitNode Node(LoadedModel model, JsonArray n) =>
        new(model.Selected.Single(s => s.Name == (string)n[0]!), n.Count == 3 ? (int)n[1]! : TokenPosition.All, (int)n[^1]!);
}
