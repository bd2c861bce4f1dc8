using System.Numerics.Tensors;
using OnnxAttribution.Runtime;

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
        var read = parents.Select(state.SiteAt).ToHashSet();
        foreach (var site in state.Sites.Where(s => s.Written.Any(read.Contains)))
        {
            for (var i = 0; i < site.Nodes.Count; i++)
            {
                var node = nodes[site.FirstNode + i];
                if (!node.Kept) continue;
                var along = Along(site, node, read, result);
                var effect = ends.Contains(site) && NodeMethods.IsMeasured(node.Method) ? node.Effect : NodeVectors.Effect(along, node);
                if (effect == 0 && (along == 0 || !state.Model.IsReplaced)) continue;
                found(new CausalEdge(site.FirstNode + i, CausalEdge.Metric, node.IsError ? float.NaN : along, effect)
                {
                    Weight = state.Model.IsReplaced ? NodeVectors.Weight(along, node, state.Patch is not null) : float.NaN,
                });
            }
            site.ReleaseDecoders();
        }
    }

    // an error writes its own site only
    private static float Along(SiteEffects site, CausalNode node, HashSet<SiteEffects> read, RunResult gradients)
    {
        var (row, sum) = (new float[site.Width], 0f);
        foreach (var written in node.IsError ? [site] : site.Written)
        {
            if (!read.Contains(written)) continue;
            site.Tangent(node.Position, node.Feature, written, row);
            var gradient = gradients.Floats(written.Value.Name + ".grad");
            sum += TensorPrimitives.Dot(gradient.Slice(node.Position * site.Width, site.Width), row);
        }
        return sum;
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
            GradientGraphs.Of(state.Model).SegmentGraph(i, estimator)?.Parents.Select(p => p.Value) ?? []).ToHashSet();
        return [.. state.Sites.Where(s => !hasDownstream.Contains(s.Value))];
    }
}
