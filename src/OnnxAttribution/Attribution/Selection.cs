using OnnxAttribution.Files;

namespace OnnxAttribution.Attribution;

/// <summary>Which nodes and edges stay: the strongest, and of them what lies on a path to the metric.</summary>
internal static class Selection
{
    /// <summary>Marks the nodes that stay: per site the strongest features (error nodes come on top),
    /// and |effect| ≥ threshold for all.</summary>
    /// <param name="nodes">Site by site.</param>
    public static void KeepStrongest(List<CausalNode> nodes, GraphOptions options)
    {
        for (int first = 0, end; first < nodes.Count; first = end)
        {
            for (end = first + 1; end < nodes.Count && nodes[end].Site == nodes[first].Site;) end++;
            var range = Enumerable.Range(first, end - first).Where(i => Math.Abs(nodes[i].Effect) >= options.NodeThreshold);
            if (options.TopNodes is { } top)
            {
                range = range.Where(i => !nodes[i].IsError).OrderByDescending(i => Math.Abs(nodes[i].Effect)).ThenBy(i => i).Take(top)
                    .Concat(range.Where(i => nodes[i].IsError));
            }
            foreach (var i in range.ToList()) nodes[i] = nodes[i] with { Kept = true };
        }
    }

    /// <summary>Edges that stay; nodes that no path leads from to the metric are marked as left out.</summary>
    /// <param name="room">Where what stays lies; null: in memory.</param>
    public static IReadOnlyList<CausalEdge> KeepEdges(List<CausalNode> nodes, IReadOnlyList<CausalEdge> edges, GraphOptions options,
        SpillRoom? room = null)
    {
        IEnumerable<CausalEdge> kept = edges;
        if (options.EdgeThreshold > 0) kept = kept.Where(e => Math.Abs(e.Effect) >= options.EdgeThreshold);
        if (options.TopEdges is { } top && edges.Count > top) kept = kept.OrderByDescending(e => Math.Abs(e.Effect)).Take(top);
        var result = ReferenceEquals(kept, edges) ? edges : Listed(kept, room);
        // with kl and exact effects no gradient is anything but 0, so there is no edge, and no path to prune by
        if (!options.Prune || options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact }) return result;

        var reaches = ReachMetric(result, nodes.Count);
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Kept && !reaches[i]) nodes[i] = nodes[i] with { Kept = false };
        }
        return Listed(result.Where(e => reaches[e.Up] && (e.Down == CausalEdge.Metric || reaches[e.Down])), room);
    }

    // found site by site, so that a walk or two from the end finds all; edges that were sorted by strength take one for each step of a path
    private static bool[] ReachMetric(IReadOnlyList<CausalEdge> edges, int nodes)
    {
        var reaches = new bool[nodes];
        for (var found = true; found;)
        {
            found = false;
            for (var i = edges.Count - 1; i >= 0; i--)
            {
                var e = edges[i];
                if (reaches[e.Up] || (e.Down != CausalEdge.Metric && !reaches[e.Down])) continue;
                reaches[e.Up] = found = true;
            }
        }
        return reaches;
    }

    private static RecordSpill<CausalEdge> Listed(IEnumerable<CausalEdge> edges, SpillRoom? room)
    {
        var list = new RecordSpill<CausalEdge>(room ?? SpillRoom.Memory);
        foreach (var edge in edges) list.Add(edge);
        return list;
    }

    /// <summary>What of kept nodes' switching on stays: as strong as the weakest kept edge where edges have a limit, and the threshold for
    /// all. It takes no edge's place.</summary>
    /// <param name="nodes">After pruning.</param>
    /// <param name="kept">The edges that stay.</param>
    public static List<SwitchedOnEdge> KeepSwitchedOn(List<CausalNode> nodes, List<SwitchedOnEdge> found, IReadOnlyList<CausalEdge> kept,
        GraphOptions options)
    {
        var least = options.EdgeThreshold;
        if (options.TopEdges is not null && kept.Count > 0) least = Math.Max(least, kept.Min(e => Math.Abs(e.Effect)));
        return [.. found.Where(s => nodes[s.Up].Kept && Math.Abs(s.Effect) >= least)];
    }
}
