using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>A graph's edges by heads: of all kept edges every part, or of all that were found what passes one head.</summary>
internal static class HeadSplit
{
    // of a part and of its row in a table
    private const long BytesPerPart = 160;

    /// <exception cref="AttributionException">The graph cannot be split: the model has no such head, its heads are not known, or the metric
    /// has no gradient.</exception>
    public static void Check(LoadedModel model, GraphOptions options)
    {
        if (options.Heads is not { } heads) return;
        if (heads.Only is { } only) ModelAttentions.Require(model, only, Setting.Heads);
        _ = GradientGraphs.Of(model).Attentions;
        if (options.Metric.Kind == MetricKind.Kl)
        {
            throw new AttributionException("the metric kl has no gradient at the clean run, so that its edges cannot be split by heads; "
                + "take another metric")
            {
                Settings = [Setting.Metric, Setting.Heads]
            };
        }
    }

    /// <summary>Splits the kept edges of a graph.</summary>
    /// <exception cref="AttributionException">The parts of so many edges do not fit the memory budget.</exception>
    public static CausalGraph Of(PatchingState state, CausalGraph graph, GraphOptions options)
    {
        var heads = GradientGraphs.Of(state.Model).Attentions.Max(a => a.Heads);
        var most = graph.Edges.Count * (1 + (3L * heads)) * BytesPerPart;
        if (most > state.Model.Context.MemoryBudget)
        {
            throw new AttributionException($"{graph.Edges.Count:N0} edges, each split by {heads} heads, may take {(most >> 20) + 1} MiB, "
                + $"more than the budget of {state.Model.Context.MemoryBudget >> 20} MiB; keep fewer edges, or give it more memory")
            {
                Settings = [Setting.Memory]
            };
        }
        var parts = new List<HeadPart>();
        var finder = new HeadFinder(state, graph.Nodes, options.Estimator);
        finder.Split(graph.Edges, parts.Add);
        return graph with
        {
            HeadParts = Ordered(graph.Edges, parts),
            HeadsViolation = Violation(graph, parts, options.Edges),
            Operations = graph.Operations + finder.Operations,
        };
    }

    /// <summary>Of edges that were found, the strongest along paths that pass one head last, with these parts.
    /// Nodes that none of them joins are marked as left out where the graph is pruned.</summary>
    public static (List<CausalEdge> Edges, IReadOnlyList<HeadPart> Parts, long Operations) Passing(PatchingState state,
        List<CausalNode> nodes, IReadOnlyList<CausalEdge> edges, GraphOptions options)
    {
        var parts = new List<HeadPart>();
        var finder = new HeadFinder(state, nodes, options.Estimator);
        finder.Split(edges, part =>
        {
            if (part.Head == options.Heads!.Only) parts.Add(part);
        });
        var sums = new Dictionary<(int Up, int Down), double>();
        foreach (var p in parts) sums[(p.Up, p.Down)] = sums.GetValueOrDefault((p.Up, p.Down)) + p.Effect;
        double Through(CausalEdge e) => Math.Abs(sums[(e.Up, e.Down)]);
        List<CausalEdge> kept = [.. edges.Where(e => sums.ContainsKey((e.Up, e.Down)) && Through(e) >= options.EdgeThreshold)
            .OrderByDescending(Through)
            .Take(options.TopEdges ?? int.MaxValue)];
        var ends = kept.SelectMany(e => (int[])[e.Up, e.Down]).ToHashSet();
        for (var i = 0; i < nodes.Count && options.Prune; i++)
        {
            if (nodes[i].Kept && !ends.Contains(i)) nodes[i] = nodes[i] with { Kept = false };
        }
        return (kept, Ordered(kept, parts), finder.Operations);
    }

    // as the edges are, and of each edge the strongest first
    private static List<HeadPart> Ordered(IReadOnlyList<CausalEdge> edges, List<HeadPart> parts)
    {
        var order = edges.Select((e, i) => (Ends: (e.Up, e.Down), i)).ToDictionary(p => p.Ends, p => p.i);
        return [.. parts.Where(p => order.ContainsKey((p.Up, p.Down)))
            .OrderBy(p => order[(p.Up, p.Down)])
            .ThenByDescending(p => Math.Abs(p.Effect))];
    }

    // an exact edge, or a node's whole measured effect on the metric, is no sum of parts; what the Jacobian says of it is,
    // and of an error node's edge that is not stored
    private static double? Violation(CausalGraph graph, List<HeadPart> parts, EdgeMethod method)
    {
        var sums = new Dictionary<(int, int), double>();
        foreach (var p in parts) sums[(p.Up, p.Down)] = sums.GetValueOrDefault((p.Up, p.Down)) + p.Effect;
        double worst = 0, largest = 0;
        var compared = false;
        foreach (var e in graph.Edges)
        {
            var isLinear = method == EdgeMethod.Jacobian
                && (e.Down != CausalEdge.Metric || !NodeMethods.IsMeasured(graph.Nodes[e.Up].Method));
            var linear = isLinear ? e.Effect
                : float.IsNaN(e.Jacobian) ? float.NaN
                : e.Down == CausalEdge.Metric ? NodeVectors.Effect(e.Jacobian, graph.Nodes[e.Up])
                : NodeVectors.Effect(e.Jacobian, graph.Nodes[e.Up], graph.Nodes[e.Down]);
            if (float.IsNaN(linear)) continue;
            compared = true;
            worst = Math.Max(worst, Math.Abs(linear - sums.GetValueOrDefault((e.Up, e.Down))));
            largest = Math.Max(largest, Math.Abs(linear));
        }
        return !compared ? null : largest == 0 ? 0 : worst / largest;
    }
}
