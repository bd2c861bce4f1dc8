using OnnxAttribution.Attribution;
using OnnxAttribution.Lenses;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Lenses;

/// <summary>The lens against PyTorch in float64, which runs the model's own code on replaced streams with the last norm's scale held, and
/// knows no direction that is read; 1e-5 of the largest number of its kind, as activations.</summary>
public class LensGoldenTests
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("lens")];

    public static TheoryData<string, MetricKind> Metrics =>
        [.. from name in GoldenCase.NamesWith("lens") from kind in new[] { MetricKind.Logit, MetricKind.LogitDiff } select (name, kind)];

    [Theory, MemberData(nameof(Metrics))]
    public void Readings_by_either_scale_equal_those_of_pytorch(string name, MetricKind kind)
    {
        using var world = new LensWorld(name);
        foreach (var scale in Enum.GetValues<LensScale>())
        {
            var lens = world.Find(kind, new LensOptions { Scale = scale });
            Assert.Equal(world.Halves, lens.Readings.Select(r => r.Site).Distinct());
            GoldenTests.Close(world.Golden[$"{Metric.NameOf(kind)}/{scale.ToString().ToLowerInvariant()}"],
                lens.Readings.Select(r => (float)r.Value), Tolerance, $"{scale} readings");
        }
    }

    [Theory, MemberData(nameof(Metrics))]
    public void Summands_heads_and_features_equal_those_of_pytorch(string name, MetricKind kind)
    {
        using var world = new LensWorld(name);
        var (lens, metric) = (world.Find(kind, new LensOptions { Heads = true, Features = true }), Metric.NameOf(kind));
        var largest = world.Golden[$"{metric}/summands"].Max(Math.Abs);
        void Close(string tensor, IEnumerable<LensSummand> found) =>
            GoldenTests.Close(world.Golden[$"{metric}/{tensor}"], found.Select(s => (float)s.Value), Tolerance, tensor, largest);
        Close("summands", lens.Summands.Where(s => s.Of is null));
        Close("heads", lens.Summands.Where(s => s.Kind == SummandKind.Head));
        Close("head_bias", lens.Summands.Where(s => s.Kind == SummandKind.HeadBias));
        foreach (var site in world.Dictionaries)
        {
            var parts = lens.Summands.Where(s => s.Of == site && s.Kind is SummandKind.Feature or SummandKind.Error
                or SummandKind.DictionaryBias && s.Of == site).ToList();
            var features = parts.Where(s => s.Kind == SummandKind.Feature).OrderBy(s => s.Feature).ToList();
            Assert.Equal(world.Golden[$"features/{site}"].Select(f => (int?)f), features.Select(s => s.Feature));
            Close($"parts/{site}", [.. features, .. parts.Where(s => s.Kind != SummandKind.Feature)]);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_likeliest_tokens_of_each_half_equal_those_of_pytorch(string name)
    {
        using var world = new LensWorld(name);
        var lens = world.Find(MetricKind.Logit, new LensOptions());
        var tokens = lens.Readings.Where(r => r.Position == lens.Metric.Position).SelectMany(r => r.Tokens).ToList();
        Assert.Equal(world.Golden["top/tokens"].Select(t => (int)t), tokens.Select(t => t.Token));
        GoldenTests.Close(world.Golden["top/logits"], tokens.Select(t => t.Logit), Tolerance, "logits");
        GoldenTests.Close(world.Golden["top/probabilities"], tokens.Select(t => t.Probability), Tolerance, "probabilities");
    }
}
