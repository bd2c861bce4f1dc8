namespace OnnxAttribution.Attribution;

/// <summary>What outputs make of a graph of transcoders: their edges, influence and scores, and what pruning by it leaves.</summary>
/// <param name="Outputs">The output tokens.</param>
/// <param name="OutputEdges">Of nodes that stay.</param>
/// <param name="Edges">The other edges that stay.</param>
/// <param name="Influence">The influence of all nodes and edges, before pruning.</param>
internal sealed record OutputSelection(IReadOnlyList<OutputNode> Outputs, List<OutputEdge> OutputEdges, IReadOnlyList<CausalEdge> Edges,
    PathInfluence Influence)
{
    /// <summary>Finds the outputs and their edges, gives nodes their influence and, where that is asked for, prunes by it: nodes that go
    /// are marked as left out.</summary>
    /// <param name="nodes">Kept ones are part of the graph.</param>
    /// <param name="edges">Between kept nodes, and into the metric.</param>
    public static OutputSelection Of(PatchingState state, List<CausalNode> nodes, IReadOnlyList<CausalEdge> edges, GraphOptions options)
    {
        var outputs = Attribution.OutputEdges.Choose(state.Clean.Logits, options.Targets!);
        var into = Attribution.OutputEdges.Find(state, nodes, outputs, options.Estimator);
        var influence = InfluenceOf(nodes, edges, outputs, into);
        var cumulative = influence.Cumulative;
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Kept) nodes[i] = nodes[i] with { Influence = (float)cumulative[i] };
        }
        if (options.Influence is not { } pruning) return new(outputs, into, edges, influence);
        var (stays, kept) = influence.Prune(pruning.Nodes, pruning.Edges);
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Kept && !stays[i]) nodes[i] = nodes[i] with { Kept = false };
        }
        return new(outputs, [.. into.Where(e => kept.Contains((e.Up, nodes.Count + e.Output)))],
            [.. edges.Where(e => e.Down == CausalEdge.Metric ? nodes[e.Up].Kept : kept.Contains((e.Up, e.Down)))], influence);
    }

    // nodes, then outputs
    private static PathInfluence InfluenceOf(List<CausalNode> nodes, IReadOnlyList<CausalEdge> edges, IReadOnlyList<OutputNode> outputs,
        List<OutputEdge> into)
    {
        var roles = nodes.Select(n => n.IsToken ? InfluenceRole.Token : n.IsError ? InfluenceRole.Error : InfluenceRole.Feature)
            .Concat(outputs.Select(_ => InfluenceRole.Output));
        var between = edges.Where(e => e.Down != CausalEdge.Metric).Select(e => new InfluenceEdge(e.Up, e.Down, e.Weight))
            .Concat(into.Select(e => new InfluenceEdge(e.Up, nodes.Count + e.Output, e.Weight)));
        var weights = new double[nodes.Count + outputs.Count];
        for (var k = 0; k < outputs.Count; k++) weights[nodes.Count + k] = outputs[k].Probability;
        return new PathInfluence([.. roles], between, weights);
    }
}
