using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Dashboards;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>What a language model is given to explain features by, and how its predictions are scored.</summary>
public sealed class ExplainPackTests : IDisposable
{
    private const string Site = "blocks.0.hook_resid_pre";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Shown_and_held_out_contexts_share_none_and_do_not_depend_on_how_many_are_shown()
    {
        var feature = Feature(top: 9, strata: 3);
        var few = ExplainSplit.Of(feature, 3)!;
        var many = ExplainSplit.Of(feature, 30)!;
        Assert.Equal(few.HeldOut, many.HeldOut);
        Assert.Equal((3, 8), (few.Shown.Count, many.Shown.Count));
        Assert.Equal([0, 0, 1], few.Shown.Select(c => c.Quantile));
        Assert.Empty(many.Shown.Intersect(many.HeldOut));
        // odd ranks, and the second of each stratum
        Assert.Equal(["t1", "t3", "t5", "t7", "s1b", "s2b", "s3b"], many.HeldOut.Select(c => c.Tokens[0]));
        Assert.Null(ExplainSplit.Of(Feature(top: 1, strata: 0), 3));
    }

    [Theory, InlineData(0f, 0), InlineData(0.39f, 0), InlineData(0.4f, 1), InlineData(2f, 5), InlineData(3.99f, 9), InlineData(4f, 10)]
    public void Activations_are_told_from_0_to_10(float activation, int told) => Assert.Equal(told, ExplainSplit.Told(activation, 4));

    [Fact]
    public void A_pack_has_a_line_per_live_feature_and_no_activation_of_what_is_held_out()
    {
        DashboardSamples.Bundle(_directory,
            [Feature(top: 9, strata: 3), DashboardSamples.Dead(Site, 1), Feature(top: 1, strata: 0, at: 2)]);
        using var output = new MemoryStream();
        var summary = ExplainPack.Write(FeatureTable.Open(_directory.Path)!, null, 6, output, CancellationToken.None);
        Assert.Equal(new ExplainSummary(1, 2), summary);
        var line = JsonNode.Parse(Encoding.UTF8.GetString(output.ToArray()).TrimEnd('\n'))!;
        Assert.Equal((Site, 0), ((string)line["site"]!, (int)line["feature"]!));
        var contexts = line["contexts"]!.AsArray();
        Assert.Equal(6, contexts.Count);
        Assert.Equal([10, 0], contexts[0]!["activations"]!.AsArray().Select(a => (int)a!));
        Assert.Equal(["t0", "x"], contexts[0]!["tokens"]!.AsArray().Select(t => (string)t!));
        Assert.Equal(["up"], line["promoted"]!.AsArray().Select(t => (string)t!));
        Assert.All(line["held_out"]!.AsArray(), c => Assert.Equal(["tokens"], c!.AsObject().Select(p => p.Key)));
        Assert.Equal(7, line["held_out"]!.AsArray().Count);
    }

    [Fact]
    public void The_correlation_is_Pearsons()
    {
        Assert.Equal(1, LabelScores.Correlation([1, 2, 3], [10, 20, 30])!.Value, 12);
        Assert.Equal(-1, LabelScores.Correlation([1, 2, 3], [3, 2, 1])!.Value, 12);
        // both sides have the sum of squares 2 about their mean, and the sum of products 1
        Assert.Equal(0.5, LabelScores.Correlation([0, 1, 2], [0, 2, 1])!.Value, 12);
        Assert.Equal(0.5, new ScoreSummary([0, 1], 0).Median);
        Assert.Null(LabelScores.Correlation([1, 1, 1], [1, 2, 3]));
        Assert.Null(LabelScores.Correlation([1, 2, 3], [0, 0, 0]));
    }

    private static FeatureDashboard Feature(int top, int strata, int at = 0)
    {
        FeatureContext Context(int quantile, string token, float activation) => new(quantile, 0, [token, "x"], [activation, 0]);
        return new FeatureDashboard(Site, at, 0.1, 1, 4, [1], [
            .. Enumerable.Range(0, top).Select(i => Context(0, $"t{i}", 4f - (0.1f * i))),
            .. Enumerable.Range(1, strata).SelectMany(s => (FeatureContext[])[Context(s, $"s{s}a", 1), Context(s, $"s{s}b", 1)]),
        ], [new("up", 1)], [], []);
    }
}
