using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public sealed class CertificateTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData(EffectMethod.Atp), InlineData(EffectMethod.Ig)]
    public void With_rows_for_all_that_was_dropped_it_is_exact(EffectMethod method)
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens,
            new GraphOptions(Method: method, Steps: 3, TopNodes: 5, TopEdges: 200) { Refine = 0 });
        var certificate = Certify(run, new CertificatePlan(1_000_000, 0, null));
        int[] dropped = [.. Enumerable.Range(0, run.Graph.Nodes.Count).Where(i => !run.Graph.Nodes[i].Kept)];
        var exact = ExactEffects.Of(run.State, run.Clean, dropped).Select(e => Math.Abs((double)e)).ToList();
        Assert.Empty(certificate.Sizes);
        var nodes = certificate.Nodes!;
        Assert.Equal(nodes.Dropped, nodes.Measured);
        Assert.Equal(exact.Max(), nodes.Largest, 1e-6 * exact.Max());
        Assert.Equal((nodes.Largest, 0.0), (nodes.Bound, nodes.LargerShareBound));
        Assert.Equal(run.Graph.Nodes.Where(n => n is { Kept: true, IsError: false }).Min(n => Math.Abs((double)n.Effect)), nodes.Threshold);
        Assert.Equal((double)nodes.Above / nodes.Dropped, nodes.ShareBound);
        Assert.Equal(exact.Count(e => e > nodes.Threshold), nodes.Above);
        var edges = certificate.Edges!;
        Assert.Equal((edges.Largest, (double)edges.Above / edges.Dropped), (edges.Bound, edges.ShareBound));
        Assert.Equal(run.Graph.Edges.Min(e => Math.Abs((double)e.Effect)), edges.Threshold);
        Assert.Equal(nodes.Dropped + edges.Dropped, certificate.Checks.Count);
        Assert.True(edges.Dropped > 10 * nodes.Dropped);
        Assert.Contains(certificate.Checks, c => c is { IsEdge: true, Down: null });
    }

    [Fact]
    public void Nodes_whose_effects_are_exact_are_not_measured_again()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions(Method: EffectMethod.Exact, TopNodes: 5));
        var certificate = Certify(run, new CertificatePlan(20, 0, 0.25f));
        var dropped = run.Graph.Nodes.Where(n => !n.Kept).Select(n => Math.Abs((double)n.Effect)).ToList();
        Assert.Equal((dropped.Max(), dropped.Max()), (certificate.Nodes!.Largest, certificate.Nodes.Bound));
        Assert.Equal(dropped.Count(e => e > 0.25), certificate.Nodes.Above);
        Assert.Equal((0.25, 0.25), (certificate.Nodes.Threshold, certificate.Edges!.Threshold));
        Assert.Empty(certificate.Sizes);
        Assert.All(certificate.Checks, c => Assert.True(c.IsEdge));
        Assert.Equal(certificate.Checks.Select(c => c.Up).Distinct().Count(), certificate.Rows);
    }

    [Fact]
    public void Those_that_refinement_has_measured_are_known()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions(TopNodes: 2) { Refine = 32 });
        var known = run.Graph.Nodes.Where(n => n is { Kept: false, Method: "exact" }).Select(n => Math.Abs((double)n.Effect)).ToList();
        Assert.NotEmpty(known);
        var nodes = Certify(run, new CertificatePlan(20, 0, null)).Nodes!;
        Assert.True(nodes.Dropped > known.Count + 40);
        Assert.Equal(20 + known.Count, nodes.Measured);
        Assert.True(nodes.Largest >= known.Max());
        Assert.True(nodes.Above >= known.Count(e => e > nodes.Threshold));
    }

    [Fact]
    public void The_sparsest_subsets_bound_what_was_not_measured()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions(TopNodes: 2) { Refine = 0 });
        var certificate = Certify(run, new CertificatePlan(60, 3, null));
        var nodes = certificate.Nodes!;
        Assert.Equal(60, nodes.Measured);
        Assert.Equal([0.5, 0.25], certificate.Sizes.Select(s => s.Density));
        Assert.Equal(60, certificate.Sizes.Sum(s => s.Rows));
        Assert.Equal(Math.Max(nodes.Largest, certificate.Sizes[^1].Bound), nodes.Bound);
        // no larger than the largest estimate and the range of all subsets
        var subsets = certificate.Checks.Where(c => c.Density == 0.25).Select(c => (double)c.ExactEffect - c.ApproxEffect).ToList();
        Assert.Equal(37 + 5, subsets.Count);
        Assert.InRange(certificate.Sizes[^1].Bound, subsets.Max() - subsets.Min(),
            subsets.Max() - subsets.Min() + run.Graph.Nodes.Where(n => !n.Kept).Max(n => Math.Abs((double)n.Effect)) + 1e-9);
        Assert.Equal(certificate.Checks, Certify(run, new CertificatePlan(60, 3, null)).Checks);
        Assert.NotEqual(certificate.Checks, Certify(run, new CertificatePlan(60, 4, null)).Checks);
        Assert.All(certificate.Checks.Where(c => c is { IsEdge: false, Up: not null }), c => Assert.False(c.Up!.Kept));
    }

    [Fact]
    public void What_lies_behind_the_metrics_position_and_what_does_not_move_is_not_counted()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens,
            new GraphOptions(new(MetricKind.LogitDiff, 2), TopNodes: 2, TopEdges: 100));
        var certificate = Certify(run, new CertificatePlan(1_000_000, 0, null));
        Assert.All(certificate.Checks, c => Assert.True(c.Up!.Position <= 2 && c.Down is null or { Position: <= 2 }));
        Assert.All(certificate.Checks.Where(c => !c.Up!.IsError), c => Assert.NotEqual(c.Up!.Activation, c.Up.PatchActivation));
        Assert.DoesNotContain(certificate.Checks, c => c.Down is { IsError: false, Gradient: 0 });
        using var still = new RandomRun(model, bundle.Tokens, bundle.Tokens, new GraphOptions(TopNodes: 2));
        var nothing = Certify(still, new CertificatePlan(20, 0, null));
        Assert.Equal((null, null, 0), (nothing.Nodes, nothing.Edges, nothing.Rows));
    }

    private static Certificate Certify(RandomRun run, CertificatePlan plan) =>
        new CertificateFinder(run.State, run.Clean, new CheckedGraph(run.Graph.Nodes, run.Graph.Edges), plan)
            .Find(new SiteGraph(run.State.Model).Pairs(run.State.Metric.Kind), run.Own, null);
}
