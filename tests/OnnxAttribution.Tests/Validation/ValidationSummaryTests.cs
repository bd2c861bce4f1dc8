using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

/// <summary>Figures of rows made by hand.</summary>
public class ValidationSummaryTests
{
    private static readonly Site s_up = Site.Parse("blocks.2.hook_resid_pre"), s_down = Site.Parse("blocks.10.hook_resid_pre"),
        s_attn = Site.Parse("blocks.2.hook_attn_out");

    [Fact]
    public void Figures_are_those_of_the_rows_of_their_group()
    {
        ValidationCheck[] checks =
        [
            Node(s_up, 1, approx: 1, exact: 2), Node(s_up, 2, approx: 2, exact: 4), Node(s_up, 3, approx: -3, exact: -6),
            Node(s_attn, CausalNode.Error, approx: 1, exact: -1, Stratum.Dropped), Edge(s_up, s_down, approx: 1, exact: 1, change: (2, 3)),
            Edge(s_up, s_down, approx: 2, exact: 2, change: (4, 6)), Edge(s_attn, null, approx: 5, exact: 1,
                change: (float.NaN, float.NaN)), Node(s_up, 9, approx: 100, exact: -100) with { Estimator = "relp" },
        ];
        var summary = ValidationSummary.Summarize(checks, "gradient");
        Assert.Equal((4, 3, 2), (summary.Nodes.Count, summary.Edges.Count, summary.Changes.Count));
        Assert.Equal(0.75, summary.Nodes.SignAgreement);
        Assert.Equal(1.5, summary.Changes.Slope, 1e-12);
        Assert.Equal([("resid", false, 3), ("attn", true, 1)], summary.ByKind.Select(k => (k.Kind, k.IsError, k.Effects.Count)));
        Assert.Equal((1.0, 2.0, 0.5), (Math.Round(summary.ByKind[0].Effects.Pearson, 12), summary.ByKind[0].Effects.Slope,
            summary.ByKind[0].Effects.MedianRelativeError));
        // block 2 before block 10, the metric last
        Assert.Equal([(s_up.Name, s_down.Name, 2), (s_attn.Name, null, 1)],
            summary.BySitePair.Select(p => (p.Up, p.Down, p.Effects.Count)));
        Assert.Equal([(false, "strongest", 3), (false, "dropped", 1), (true, "kept", 3)],
            summary.ByStratum.Select(s => (s.IsEdge, s.Stratum, s.Effects.Count)));
        Assert.Equal([3, 2, 2, 1], summary.WorstNodes.Select(c => c.Miss));
        Assert.Equal([4.0], summary.WorstEdges.Select(c => c.Miss));
        Assert.Equal(200, ValidationSummary.Summarize(checks, "relp").WorstNodes[0].Miss);
    }

    private static CausalNode At(Site site, int feature) => new(site, 0, feature, 1, 0, 1, 1);

    private static ValidationCheck Node(Site site, int feature, float approx, float exact, Stratum stratum = Stratum.Strongest) =>
        new(false, stratum, "gradient", At(site, feature), null, float.NaN, float.NaN, approx, exact);

    private static ValidationCheck Edge(Site up, Site? down, float approx, float exact, (float Approx, float Exact) change) =>
        new(true, Stratum.Kept, "gradient", At(up, 1), down is null ? null : At(down, 1), change.Approx, change.Exact, approx, exact);
}
