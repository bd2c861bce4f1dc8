using System.Numerics.Tensors;

namespace OnnxAttribution.Attribution;

/// <summary>Edges into the metric: what each kept node does to it along paths that meet no other selected site.
/// Of a node that was really moved, and from which no other selected site is reached, that is the node's whole effect.</summary>
internal static class MetricEdges
{
    /// <summary>Gives each edge to <paramref name="found"/>. With <see cref="MetricKind.Kl"/> only integrated gradients have any,
    /// and only at sites from which no other selected site is reached.</summary>
    public static void Find(PatchingState state, IReadOnlyList<CausalNode> nodes, EffectMethod method, Estimator estimator,
        Action<CausalEdge> found)
    {
        if (state.Metric.Kind != MetricKind.Kl) Direct(state, nodes, estimator, found);
        else if (method == EffectMethod.Ig) Whole(state, nodes, estimator, found);
    }

    // the gradient along these paths times the node's change
    private static void Direct(PatchingState state, IReadOnlyList<CausalNode> nodes, Estimator estimator, Action<CausalEdge> found)
    {
        var (metric, tokens) = (state.Metric, state.Tokens);
        var (parents, runner) = GradientGraphs.Of(state.Model).Head(metric.Kind, estimator);
        using var feed = ModelPass.Inputs(tokens, MetricRequest.Of(metric));
        foreach (var s in state.Sites) feed.Add(s.Value.Name, s.Clean, 1, tokens.Length, s.Width);
        using var result = runner.Run(feed.Values, runner.Outputs);
        var ends = Ends(state, estimator);
        foreach (var parent in parents)
        {
            var site = state.SiteAt(parent);
            var gradient = result.Floats(parent.Name + ".grad");
            var row = new float[site.Width];
            for (var i = 0; i < site.Nodes.Count; i++)
            {
                var node = nodes[site.FirstNode + i];
                if (!node.Kept) continue;
                var g = gradient.Slice(node.Position * site.Width, site.Width);
                if (node.IsError) site.ErrorChangeAt(node.Position).CopyTo(row);
                else site.DecoderRow(node.Position, node.Feature, row);
                var along = TensorPrimitives.Dot(g, row);
                var effect = ends.Contains(site) && NodeMethods.IsMeasured(node.Method) ? node.Effect : NodeVectors.Effect(along, node);
                if (effect != 0) found(new CausalEdge(site.FirstNode + i, CausalEdge.Metric, node.IsError ? float.NaN : along, effect));
            }
        }
    }

    // kl's gradient at the clean run is 0; the mean gradient of integrated steps goes along all paths,
    // so it says what goes along direct ones only where there are no others
    private static void Whole(PatchingState state, IReadOnlyList<CausalNode> nodes, Estimator estimator, Action<CausalEdge> found)
    {
        foreach (var site in Ends(state, estimator))
        {
            for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
            {
                var node = nodes[i];
                if (node.Kept && node.Effect != 0) found(new CausalEdge(i, CausalEdge.Metric, node.Gradient, node.Effect));
            }
        }
    }

    // sites from which no other selected site is reached
    private static HashSet<SiteEffects> Ends(PatchingState state, Estimator estimator)
    {
        var hasDownstream = state.Sites.SelectMany((_, i) =>
            GradientGraphs.Of(state.Model).Segment(i, estimator)?.Segment.Parents.Select(p => p.Value) ?? []).ToHashSet();
        return [.. state.Sites.Where(s => !hasDownstream.Contains(s.Value))];
    }
}
