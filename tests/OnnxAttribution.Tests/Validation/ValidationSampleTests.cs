using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public sealed class ValidationSampleTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData(false), InlineData(true)]
    public void A_sample_has_each_stratum_every_site_and_errors(bool patched)
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, patched ? bundle.PatchTokens : null,
            new GraphOptions(TopNodes: 8, TopEdges: 300));
        var sample = run.Draw(60);
        Assert.Equal((60, 300), (sample.Nodes.Count, sample.Edges.Count));
        foreach (var stratum in (Stratum[])[Stratum.Strongest, Stratum.Kept, Stratum.Dropped])
        {
            Assert.Equal(20, sample.Nodes.Count(n => n.Stratum == stratum));
            Assert.Equal(100, sample.Edges.Count(e => e.Stratum == stratum));
        }
        var nodes = run.Graph.Nodes;
        var held = run.Graph.Edges.Select(e => new NodePair(e.Up, e.Down)).ToHashSet();
        Assert.All(sample.Nodes, n => Assert.Equal(n.Stratum != Stratum.Dropped, nodes[n.Node].Kept));
        Assert.All(sample.Edges, e => Assert.Equal(e.Stratum != Stratum.Dropped, held.Contains(e.Pair)));
        Assert.Equal(model.Selected.Count, sample.Nodes.Select(n => nodes[n.Node].Site).Distinct().Count());
        Assert.Contains(sample.Nodes, n => nodes[n.Node].IsError);
        Assert.Contains(sample.Edges, e => e.Stratum == Stratum.Dropped && nodes[e.Pair.Up].IsError);
        var sitePairs = new SiteGraph(model).Pairs(MetricKind.Logit);
        Assert.Equal(sitePairs.Count,
            sample.Edges.Select(e => (nodes[e.Pair.Up].Site, e.Pair.Down < 0 ? null : nodes[e.Pair.Down].Site)).Distinct().Count());
        // no edge looks ahead, or to another position where nothing mixes them: its effect would be 0 whatever was estimated
        foreach (var (up, down) in sample.Edges.Where(e => e.Pair.Down != CausalEdge.Metric)
            .Select(e => (nodes[e.Pair.Up], nodes[e.Pair.Down])))
        {
            Assert.True(up.Position <= down.Position);
            if (sitePairs.Single(l => l.Up == up.Site && l.Down == down.Site).SamePosition) Assert.Equal(up.Position, down.Position);
        }
        Assert.Equal(sample.Edges.Count, sample.Edges.Select(e => e.Pair).Distinct().Count());
        Assert.Equal(sample.Nodes.Count, sample.Nodes.Select(n => n.Node).Distinct().Count());
        // the strongest of all are among the strongest of their sites
        var strongest = Enumerable.Range(0, nodes.Count).Where(i => nodes[i].Kept).MaxBy(i => Math.Abs(nodes[i].Effect));
        Assert.Contains((strongest, Stratum.Strongest), sample.Nodes);
        var edge = run.Graph.Edges.MaxBy(e => Math.Abs(e.Effect));
        Assert.Contains((new NodePair(edge.Up, edge.Down), Stratum.Strongest), sample.Edges);
    }

    [Fact]
    public void A_seed_gives_the_same_sample_again_and_another_seed_another()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions());
        var (one, again, other) = (run.Draw(30, seed: 7), run.Draw(30, seed: 7), run.Draw(30, seed: 8));
        Assert.Equal(one.Nodes, again.Nodes);
        Assert.Equal(one.Edges, again.Edges);
        Assert.NotEqual(one.Nodes, other.Nodes);
        Assert.NotEqual(one.Edges, other.Edges);
    }

    [Fact]
    public void Where_nothing_was_dropped_the_other_strata_fill_up()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions().KeepingAll());
        var sample = run.Draw(30);
        Assert.Equal(30, sample.Nodes.Count);
        Assert.DoesNotContain(sample.Nodes, n => n.Stratum == Stratum.Dropped);
        Assert.Equal(150, sample.Edges.Count);
    }

    [Fact]
    public void A_run_with_fewer_nodes_than_asked_for_is_checked_whole()
    {
        using var model = bundle.Open("blocks.1.hook_resid_post");
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions());
        var moving = run.Graph.Nodes.Count(n => n.Effect != 0);
        var sample = run.Draw(100000);
        Assert.Equal(moving, sample.Nodes.Count);
        Assert.All(sample.Edges, e => Assert.Equal(CausalEdge.Metric, e.Pair.Down));
    }
}
