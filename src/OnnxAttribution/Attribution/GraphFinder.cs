
namespace OnnxAttribution.Attribution;

/// <summary>
/// From tokens to a graph of causes.
/// 1. One forward and backward pass gives every site and the metric's gradient there; a patch prompt adds a second pass.
/// 2. Dictionaries expand every site into active features and errors: the nodes.
/// 3. Effects: gradient times change (or integrated gradients, or real patches); the strongest nodes of each site are kept.
/// 4. Direct edges between kept nodes, one batched run per downstream site, and from each node to the metric.
/// 5. The strongest edges are kept and what no path leads from to the metric is pruned.
/// </summary>
public static class GraphFinder
{
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="patchTokens">As many, or null for zero ablation.</param>
    /// <exception cref="AttributionException">What was asked cannot be: lengths differ, a position or token is out of range, kl with plain attribution patching.</exception>
    public static CausalGraph Find(AttributionModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        var clock = new StageClock();
        var calls = model.Context.Calls;
        var state = PromptState.Run(model, tokens, patchTokens, options);
        clock.Was("passes");

        // of encoders that stay mapped columns are read when they are needed: to hold all sites' at once costs 0.05 s at GPT-2-small's shape
        state.Expand(model.HasLargeEncoders ? options.MemoryBudget : 0);
        clock.Was("cotangents", state.ColumnSeconds, "dictionaries");

        var nodes = Effects(state, options);
        Selection.KeepStrongest(nodes, state.Sites, options);
        clock.Was("node effects");

        var edges = new List<CausalEdge>();
        var finder = new EdgeFinder(model, state.Sites, nodes, tokens, options.Estimator, options.MemoryBudget);
        finder.Find(edges);
        MetricEdges.Find(state, nodes, options.Method, options.Estimator, edges);
        clock.Was("cotangents", finder.CotangentSeconds, "edges");

        var violation = options is { TopNodes: null, NodeThreshold: 0, Method: EffectMethod.Atp } ? Conservation(nodes, edges) : (double?)null;
        // with kl and exact effects no gradient is anything but 0, so there is no edge, and no path to prune by
        var keptEdges = Selection.KeepEdges(nodes, edges, options is { Metric: MetricKind.Kl, Method: EffectMethod.Exact } ? options with { Prune = false } : options);
        clock.Was("selection");
        return new CausalGraph
        {
            Metric = state.Metric,
            CleanMetric = state.CleanMetric,
            PatchMetric = state.PatchMetric,
            TopTokens = Metric.Top(state.Clean.Logits, 10),
            Nodes = nodes,
            Edges = keptEdges,
            ConservationViolation = violation,
            Timings = clock.Seconds,
            RuntimeCalls = model.Context.Calls - calls,
            Operations = state.Operations + finder.Operations,
        };
    }

    private static List<CausalNode> Effects(PromptState state, GraphOptions options)
    {
        if (options.Method == EffectMethod.Ig) state.UseGradients(options.Method, options.Estimator, options.Steps, options.MemoryBudget);
        var nodes = state.Effects();
        if (options.Method != EffectMethod.Exact) return nodes;
        using var clean = state.Start();
        foreach (var site in state.Sites)
        {
            var exact = ExactEffects.Of(clean, site, site.Nodes, state.Metric, options.MemoryBudget);
            for (var i = 0; i < exact.Length; i++) nodes[site.FirstNode + i] = nodes[site.FirstNode + i] with { Effect = exact[i] };
        }
        return nodes;
    }

    private static double Conservation(List<CausalNode> nodes, List<CausalEdge> edges)
    {
        var sums = new double[nodes.Count];
        foreach (var e in edges) sums[e.Up] += e.Effect;
        double worst = 0, largest = 0;
        for (var i = 0; i < nodes.Count; i++)
        {
            worst = Math.Max(worst, Math.Abs(nodes[i].Effect - sums[i]));
            largest = Math.Max(largest, Math.Abs(nodes[i].Effect));
        }
        return largest == 0 ? 0 : worst / largest;
    }
}
