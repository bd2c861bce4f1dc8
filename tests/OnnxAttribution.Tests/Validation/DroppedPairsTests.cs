using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public sealed class DroppedPairsTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData(null), InlineData(2)]
    public void They_are_all_pairs_with_a_direct_path_and_no_edge(int? position)
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null,
            new GraphOptions(new(MetricKind.LogitDiff, position), TopNodes: 4, TopEdges: 300));
        var (nodes, metric) = (run.Graph.Nodes, run.State.Metric.Position);
        int[] ups = [.. Enumerable.Range(0, nodes.Count).Where(i => i % 3 > 0 && nodes[i].Position <= metric)];
        int[] downs = [.. Enumerable.Range(0, nodes.Count).Where(i => i % 2 > 0 && nodes[i].Position <= metric)];
        var sitePairs = new SiteGraph(model).Pairs(MetricKind.LogitDiff);
        var wanted = new HashSet<NodePair>();
        foreach (var (up, down, same) in sitePairs.Select(p => (p.Up, p.Down, p.SamePosition)))
        {
            foreach (var u in ups.Where(u => nodes[u].Site == up))
            {
                bool Sees(int at) => same ? nodes[u].Position == at : nodes[u].Position <= at;
                if (down is null && Sees(metric)) wanted.Add(new NodePair(u, CausalEdge.Metric));
                wanted.UnionWith(downs.Where(d => nodes[d].Site == down && Sees(nodes[d].Position)).Select(d => new NodePair(u, d)));
            }
        }
        var held = run.Graph.Edges.Select(e => new NodePair(e.Up, e.Down)).ToHashSet();
        Assert.True(wanted.Overlaps(held) && !wanted.IsSupersetOf(held));
        wanted.ExceptWith(held);
        var pairs = new DroppedPairs(new CheckedGraph(nodes, run.Graph.Edges), sitePairs, ups, downs, metric);
        Assert.Equal(wanted.Count, pairs.Count);
        Assert.Equal(wanted, pairs.Draw(int.MaxValue, new Random(0)).ToHashSet());
        Assert.Equal(wanted.Count, pairs.Draw(int.MaxValue, new Random(0)).Length);
        // each as likely as any other: as many of each pair of sites as its share, to four deviations
        var drawn = Enumerable.Range(0, 40).SelectMany(i => pairs.Draw(100, new Random(i))).ToList();
        Assert.All(drawn, p => Assert.Contains(p, wanted));
        foreach (var group in wanted.GroupBy(Sites))
        {
            var share = (double)group.Count() / wanted.Count;
            var off = drawn.Count(p => Sites(p) == group.Key) - (drawn.Count * share);
            Assert.InRange(off, -4 * Math.Sqrt(drawn.Count * share), 4 * Math.Sqrt(drawn.Count * share));
        }
        Assert.Equal(100, pairs.Draw(100, new Random(1)).Distinct().Count());
        Assert.Equal(pairs.Draw(100, new Random(1)), pairs.Draw(100, new Random(1)));

        (string, string?) Sites(NodePair p) => (nodes[p.Up].Site.Name, p.Down == CausalEdge.Metric ? null : nodes[p.Down].Site.Name);
    }
}
