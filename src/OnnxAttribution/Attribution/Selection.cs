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
    public static List<CausalEdge> KeepEdges(List<CausalNode> nodes, List<CausalEdge> edges, GraphOptions options)
    {
        IEnumerable<CausalEdge> kept = edges;
        if (options.EdgeThreshold > 0) kept = kept.Where(e => Math.Abs(e.Effect) >= options.EdgeThreshold);
        if (options.TopEdges is { } top && edges.Count > top) kept = kept.OrderByDescending(e => Math.Abs(e.Effect)).Take(top);
        var result = ReferenceEquals(kept, edges) ? edges : kept.ToList();
        // with kl and exact effects no gradient is anything but 0, so there is no edge, and no path to prune by
        if (!options.Prune || options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact }) return result;

        // edges go from earlier nodes to later ones, so one walk from the end finds all that reach the metric
        var reaches = new bool[nodes.Count];
        foreach (var e in result.Where(e => e.Down == CausalEdge.Metric)) reaches[e.Up] = true;
        foreach (var e in result.Where(e => e.Down != CausalEdge.Metric).OrderByDescending(e => e.Down))
        {
            if (reaches[e.Down]) reaches[e.Up] = true;
        }
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Kept && !reaches[i]) nodes[i] = nodes[i] with { Kept = false };
        }
        return [.. result.Where(e => reaches[e.Up] && (e.Down == CausalEdge.Metric || reaches[e.Down]))];
    }

    /// <summary>What of kept nodes' switching on stays: as strong as the weakest kept edge where edges have a limit, and the threshold for
    /// all. It takes no edge's place.</summary>
    /// <param name="nodes">After pruning.</param>
    /// <param name="kept">The edges that stay.</param>
    public static List<SwitchedOnEdge> KeepSwitchedOn(List<CausalNode> nodes, List<SwitchedOnEdge> found, List<CausalEdge> kept,
        GraphOptions options)
    {
        var least = options.EdgeThreshold;
        if (options.TopEdges is not null && kept.Count > 0) least = Math.Max(least, kept.Min(e => Math.Abs(e.Effect)));
        return [.. found.Where(s => nodes[s.Up].Kept && Math.Abs(s.Effect) >= least)];
    }
}
