using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Validation;

/// <summary>The graph of a run that is checked.</summary>
/// <param name="Nodes">Site by site, in the order of computation.</param>
/// <param name="Edges">Those that the run holds, by the nodes' indices.</param>
internal sealed record CheckedGraph(IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges);

/// <summary>Which nodes and edges of a run are checked.</summary>
/// <remarks>
/// A third strongest, a third kept at random, a third dropped at random; where one stratum has too few, the others fill
/// up. In each stratum sites (pairs of sites) take turns, each with its features and with its errors apart, so that
/// none is missing and none is represented by its size alone.
/// </remarks>
internal sealed record ValidationSample(IReadOnlyList<(int Node, Stratum? Stratum)> Nodes,
    IReadOnlyList<(NodePair Pair, Stratum? Stratum)> Edges)
{
    /// <summary>Edges checked for each node that is.</summary>
    public const int EdgesPerNode = 5;

    /// <summary>Every node, and every edge that the run holds.</summary>
    public static ValidationSample All(CheckedGraph graph) => new(
        [.. Enumerable.Range(0, graph.Nodes.Count).Select(i => (i, (Stratum?)null))],
        [.. graph.Edges.Select(e => (new NodePair(e.Up, e.Down), (Stratum?)null))]);

    /// <summary>Draws a sample.</summary>
    /// <param name="sitePairs">Where edges can be that it does not hold; none: only those that it holds are checked.</param>
    /// <param name="moves">Whether a node moves at all and lies where the metric can see it;
    /// the others' effects are 0, exact or not, and say nothing.</param>
    /// <param name="count">Of nodes; <see cref="EdgesPerNode"/> times as many edges.</param>
    public static ValidationSample Draw(CheckedGraph graph, IReadOnlyList<SitePair> sitePairs, Func<int, bool> moves, int count, int seed)
    {
        var (nodes, edges) = graph;
        var random = new Random(seed);
        int[] moving = [.. Enumerable.Range(0, nodes.Count).Where(moves)];
        var kept = new StratifiedDraw<int>(moving.Where(i => nodes[i].Kept), i => (nodes[i].Site, null, nodes[i].IsError),
            i => Math.Abs(nodes[i].Effect));
        var dropped = new StratifiedDraw<int>(moving.Where(i => !nodes[i].Kept), i => (nodes[i].Site, null, nodes[i].IsError),
            i => Math.Abs(nodes[i].Effect));
        var chosen = Strata(kept, n => dropped.AtRandom(n, random), count, random);

        var held = edges.Select(e => new NodePair(e.Up, e.Down)).ToHashSet();
        var effects = edges.ToDictionary(e => new NodePair(e.Up, e.Down), e => Math.Abs(e.Effect));
        var pairs = new StratifiedDraw<NodePair>(effects.Keys,
            p => (nodes[p.Up].Site, DownSite(nodes, p), HasError(nodes, p)), p => effects[p]);
        var others = new DroppedEdges(nodes, moving, sitePairs, held, random);
        return new ValidationSample(chosen, Strata(pairs, others.Draw, EdgesPerNode * count, random));
    }

    private static Site? DownSite(IReadOnlyList<CausalNode> nodes, NodePair pair) =>
        pair.Down == CausalEdge.Metric ? null : nodes[pair.Down].Site;

    private static bool HasError(IReadOnlyList<CausalNode> nodes, NodePair pair) =>
        nodes[pair.Up].IsError || (pair.Down != CausalEdge.Metric && nodes[pair.Down].IsError);

    private static List<(T, Stratum?)> Strata<T>(StratifiedDraw<T> kept, Func<int, List<T>> dropped, int count, Random random)
        where T : notnull
    {
        var third = count / 3;
        var strongest = kept.Strongest(count - (2 * third));
        var atRandom = kept.AtRandom(third, random);
        var left = dropped(count - strongest.Count - atRandom.Count);
        atRandom.AddRange(kept.AtRandom(count - strongest.Count - atRandom.Count - left.Count, random));
        return [.. strongest.Select(i => (i, (Stratum?)Stratum.Strongest)), .. atRandom.Select(i => (i, (Stratum?)Stratum.Kept)),
            .. left.Select(i => (i, (Stratum?)Stratum.Dropped))];
    }
}
