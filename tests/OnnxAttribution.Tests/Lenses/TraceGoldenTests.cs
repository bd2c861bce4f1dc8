using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Lenses;

/// <summary>Directions followed through the stream, against PyTorch in float64; 1e-5 of the largest number of its kind, as activations.
/// </summary>
public class TraceGoldenTests
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string, string> Cases =>
        [.. from name in GoldenCase.NamesWith("lens") from along in new[] { "feature", "token" } select (name, along)];

    [Theory, MemberData(nameof(Cases))]
    public void What_is_written_along_a_direction_equals_pytorchs(string name, string along)
    {
        using var world = new LensWorld(name);
        var (trace, golden) = (Find(world, along, 0.7), $"trace/{along}/");
        void Close(string tensor, IEnumerable<double> found, double? largest = null) =>
            GoldenTests.Close(world.Golden[golden + tensor], found.Select(v => (float)v), Tolerance, tensor, largest);
        var most = world.Golden[golden + "h"].Max(Math.Abs);
        Close("direction", trace.Direction.Select(v => (double)v));
        Close("h", [.. trace.Steps.Select(s => s.Before), .. trace.Steps.TakeLast(trace.Tokens.Count).Select(s => s.After)]);
        Close("attn", trace.Steps.Select(s => s.Attn), most);
        Close("mlp", trace.Steps.Select(s => s.Mlp), most);
        Close("heads", trace.Heads.Where(h => h.Head is not null).OrderBy(h => (h.Layer, h.Head, h.Position)).Select(h => h.Value), most);
        Close("head_bias", trace.Heads.Where(h => h.Head is null).Select(h => h.Value), most);
        Assert.InRange(trace.Miss, 0, 1e-6 * most);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Features_along_a_direction_are_those_of_pytorch_with_their_activations(string name, string along)
    {
        using var world = new LensWorld(name);
        if (!world.Golden.Has($"trace/{along}/cosines/{world.Dictionaries.First(s => !s.EndsWith("hook_z", StringComparison.Ordinal))}"))
        {
            Assert.Equal("tiny-lens", name);
            return;
        }
        const double least = 0.3;
        var (trace, count) = (Find(world, along, least), 0);
        foreach (var site in world.Dictionaries.Where(s => !s.EndsWith("hook_z", StringComparison.Ordinal)))
        {
            var cosines = world.Golden[$"trace/{along}/cosines/{site}"];
            var activations = world.Golden[$"activations/{site}"];
            var found = trace.Features.Where(f => f.Site == site).OrderBy(f => f.Feature).ToList();
            Assert.Equal(Enumerable.Range(0, cosines.Length).Where(i => cosines[i] >= least), found.Select(f => f.Feature));
            GoldenTests.Close([.. found.Select(f => cosines[f.Feature])], found.Select(f => (float)f.Cosine), Tolerance, "cosines");
            double[] Expected(int feature) => [.. activations.Where((_, i) => i % cosines.Length == feature)];
            GoldenTests.Close([.. found.SelectMany(f => Expected(f.Feature))], found.SelectMany(f => f.Activations), Tolerance,
                "activations", activations.Max());
            count += found.Count;
        }
        Assert.Equal(count, trace.Features.Count);
        Assert.True(along != "feature" || trace.Features[0].Cosine > 0.9999);
    }

    [Fact]
    public void A_mean_that_is_not_read_is_taken_out_of_a_direction()
    {
        using var layerNorm = new LensWorld("random2-lens");
        using var rms = new LensWorld("llama2-lens");
        Assert.True(Find(layerNorm, "feature", 0.7).IsCentred);
        Assert.InRange(Find(layerNorm, "feature", 0.7).Direction.Sum(v => (double)v), -1e-6, 1e-6);
        Assert.False(Find(rms, "feature", 0.7).IsCentred);
    }

    [Theory, InlineData("9:3", "has no site"),
        InlineData("1:99999", "is no feature: the dictionary at blocks.1.hook_resid_pre has features 0 to"),
        InlineData("0.z:1", "has no site"), InlineData("1.resid_mid:1", "has no site"),
        InlineData("word", "is no feature; write layer:feature"),
        InlineData("", "or target, foil or metric")]
    public void What_is_no_direction_is_refused(string along, string words)
    {
        using var world = new LensWorld("random2-lens");
        var refused = Assert.ThrowsAny<Exception>(() =>
            new TraceFinder(world.Model, new StreamTraceOptions { Along = along }).Find(world.Golden.Tokens, new MetricRequest()));
        Assert.True(refused is AttributionException or BundleException);
        Assert.Contains(words, refused.Message, StringComparison.Ordinal);
    }

    private static StreamTrace Find(LensWorld world, string along, double cosine)
    {
        var of = world.Golden.Facts["lens"]!;
        var options = new StreamTraceOptions
        {
            Along = along == "feature" ? FeatureName.Of((string)of["site"]!, (int)of["feature"]!) : "metric",
            Heads = true,
            Cosine = cosine,
        };
        var request = new MetricRequest(MetricKind.LogitDiff, null, world.Golden.Target, world.Golden.Foil);
        return new TraceFinder(world.Model, options).Find(world.Golden.Tokens, request).Trace;
    }
}
