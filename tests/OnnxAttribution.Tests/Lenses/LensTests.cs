using OnnxAttribution.Attribution;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Lenses;

/// <summary>What holds of every lens, on the random models of every architecture.</summary>
public class LensTests
{
    // of the largest summand or reading, which float32 rounds
    private const double Rounding = 5e-6;

    public static TheoryData<string> Models =>
        [.. Directory.GetDirectories(Path.Combine(GoldenCase.Root, "models")).Select(d => Path.GetFileName(d)!).Order()];

    [Theory, MemberData(nameof(Models))]
    public void Summands_add_up_to_the_metric_and_parts_to_what_they_are_of(string name)
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(LensWorld.BundleOf(name, directory), null, new RunContext());
        var hasFeatures = LensFeatures.Sites(model).Any();
        foreach (var kind in (MetricKind[])[MetricKind.Logit, MetricKind.LogitDiff])
        {
            var lens = new LensFinder(model, new LensOptions { Heads = true, Features = hasFeatures }).Find([0, 3, 5, 7, 2], new(kind));
            Assert.Null(lens.WithoutSummands);
            var largest = Largest(lens);
            Assert.InRange(lens.Miss, 0, Rounding * largest);
            var bias = lens.Summands.Single(s => s.Kind == SummandKind.NormBias).Value;
            double Whole(string of) => lens.Summands.FirstOrDefault(s => s.Of is null && Hook(s) == of)?.Value
                ?? lens.Readings.Single(r => r.Site == of && r.Position == 4).Value - bias;
            foreach (var parts in lens.Summands.Where(s => s.Of is not null && !s.Of.EndsWith("hook_z", StringComparison.Ordinal))
                .GroupBy(s => (s.Of, s.Head is not null || s.Kind == SummandKind.HeadBias)))
            {
                Assert.InRange(parts.Sum(p => p.Value) - Whole(parts.Key.Of!), -Rounding * largest, Rounding * largest);
            }
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void A_reading_less_the_one_before_is_what_was_written_between(string name)
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(LensWorld.BundleOf(name, directory), null, new RunContext());
        var lens = new LensFinder(model, new LensOptions()).Find([0, 3, 5, 7, 2], new(MetricKind.LogitDiff));
        var largest = Largest(lens);
        var last = lens.Readings.Where(r => r.Position == 4).ToList();
        Assert.InRange(last[^1].Value - lens.Value, -Rounding * largest, Rounding * largest);
        for (var i = 1; i < last.Count; i++)
        {
            var between = lens.Summands.Where(s => s.Layer is { } l && s.Of is null
                && At(s.Kind, l) is var depth && depth > last[i - 1].Depth && depth <= last[i].Depth);
            Assert.InRange(last[i].Value - last[i - 1].Value - between.Sum(s => s.Value), -Rounding * largest, Rounding * largest);
        }
    }

    [Theory, InlineData("random2"), InlineData("llama2"), InlineData("gemma2"), InlineData("neox2")]
    public void What_a_direction_reads_is_the_derivative_of_the_metric_with_the_scale_held(string name)
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(LensWorld.BundleOf(name, directory), null, new RunContext());
        var (head, random) = (LensHead.Of(model), new Random(3));
        float[] Vector() => [.. Enumerable.Range(0, head.Width).Select(_ => (float)(random.NextDouble() - 0.5))];
        var (at, c) = (Vector(), Vector());
        foreach (var metric in (Metric[])[new(MetricKind.Logit, 0, 5, 0), new(MetricKind.LogitDiff, 0, 5, 9)])
        {
            double Held(float step)
            {
                using var result = head.Read(at, (float[])[.. at.Zip(c, (x, d) => x + (step * d))], 1);
                return LensHead.Measure(metric, result.Floats(LensHead.Below));
            }
            Assert.Equal((Held(1) - Held(-1)) / 2, Projection.Of(c, head.Pull(at, metric)), 1e-4);
            Assert.NotEqual(0, Held(1) - Held(-1), 1e-3);
        }
    }

    [Fact]
    public void The_embedding_is_parted_from_that_of_positions_where_these_are_learned()
    {
        string[] Entering(string name)
        {
            using var directory = new TemporaryDirectory();
            using var model = LoadedModel.Open(LensWorld.BundleOf(name, directory), null, new RunContext());
            return [.. LensStream.Of(model).Summands.Where(s => s.Layer is null).Select(s => s.Name)];
        }
        Assert.Equal(["embed", "pos_embed"], Entering("random2"));
        Assert.Equal(["embed", "pos_embed"], Entering("opt"));
        Assert.Equal(["embed"], Entering("llama2"));
        Assert.Equal(["embed"], Entering("gemma2"));
    }

    [Fact]
    public void A_soft_cap_is_said_and_lies_outside()
    {
        using var world = new LensWorld("gemma2-lens");
        Assert.True(world.Find(MetricKind.Logit, new LensOptions()).IsBelowSoftCap);
        using var other = new LensWorld("llama2-lens");
        Assert.False(other.Find(MetricKind.Logit, new LensOptions()).IsBelowSoftCap);
    }

    [Theory, InlineData(MetricKind.Logprob), InlineData(MetricKind.Loss), InlineData(MetricKind.Prob), InlineData(MetricKind.Kl)]
    public void A_metric_that_is_no_sum_is_refused(MetricKind kind)
    {
        using var world = new LensWorld("random2-lens");
        var refused = Assert.Throws<AttributionException>(() => world.Find(kind, new LensOptions()));
        Assert.Contains($"the metric {Metric.NameOf(kind)} is no sum of what is written", refused.Message, StringComparison.Ordinal);
    }

    private static double Largest(Lens lens) =>
        lens.Summands.Select(s => s.Value).Concat(lens.Readings.Select(r => r.Value)).Max(Math.Abs);

    private static string Hook(LensSummand s) => s.Kind switch
    {
        SummandKind.Attn => $"blocks.{s.Layer}.hook_attn_out",
        SummandKind.Mlp => $"blocks.{s.Layer}.hook_mlp_out",
        SummandKind.Embed => LensStream.Embed,
        _ => "",
    };

    private static double At(SummandKind kind, int layer) => kind == SummandKind.Attn ? layer + 0.5 : layer + 1;
}
