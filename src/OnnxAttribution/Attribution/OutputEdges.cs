using System.Numerics.Tensors;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>Finds outputs, and the edges into all of them in one run: a cotangent each.</summary>
internal static class OutputEdges
{
    /// <summary>The likeliest tokens of a clean run.</summary>
    public static IReadOnlyList<OutputNode> Choose(ReadOnlySpan<float> logits, TargetRequest request)
    {
        var (chosen, sum, mean) = (new List<OutputNode>(), 0.0, TensorPrimitives.Sum(logits) / logits.Length);
        foreach (var (token, probability) in Metric.Top(logits, Math.Min(request.Count, logits.Length)))
        {
            if (sum >= request.Probability) break;
            sum += probability;
            chosen.Add(new OutputNode(token, probability, logits[token] - mean));
        }
        return chosen;
    }

    /// <summary>Edges of kept nodes into the outputs.</summary>
    public static List<OutputEdge> Find(PatchingState state, IReadOnlyList<CausalNode> nodes, IReadOnlyList<OutputNode> outputs,
        Estimator estimator)
    {
        var (parents, runner) = GradientGraphs.Of(state.Model).Outputs(estimator);
        using var feed = new Feed().AddTokens(state.Tokens)
            .Add(MetricGraph.Position, new long[] { state.Metric.Position }, 1)
            .Add(OutputGraph.Directions, DirectionsOf(outputs, state.Model.VocabularySize), state.Model.VocabularySize, outputs.Count);
        foreach (var s in state.Sites) feed.Add(s.Value.Name, s.Clean, 1, state.Tokens.Length, s.Width);
        using var result = runner.Run(feed.Values, runner.Outputs);
        var (read, edges) = (parents.Select(state.SiteAt).ToHashSet(), new List<OutputEdge>());
        foreach (var site in state.Sites.Where(s => s.Written.Any(read.Contains)))
        {
            for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
            {
                if (!nodes[i].Kept) continue;
                for (var output = 0; output < outputs.Count; output++)
                {
                    var along = Along(site, nodes[i], output, read, result);
                    if (along != 0) edges.Add(new OutputEdge(i, output, NodeVectors.Weight(along, nodes[i], state.Patch is not null)));
                }
            }
        }
        return edges;
    }

    // the logit of a token, less the mean over the vocabulary
    private static float[] DirectionsOf(IReadOnlyList<OutputNode> outputs, int vocabulary)
    {
        var result = new float[vocabulary * outputs.Count];
        Array.Fill(result, -1f / vocabulary);
        for (var k = 0; k < outputs.Count; k++) result[(outputs[k].Token * outputs.Count) + k] += 1;
        return result;
    }

    private static float Along(SiteEffects site, CausalNode node, int output, HashSet<SiteEffects> read, RunResult gradients)
    {
        var (row, sum) = (new float[site.Width], 0f);
        foreach (var written in node.IsError ? [site] : site.Written)
        {
            if (!read.Contains(written)) continue;
            site.Tangent(node.Position, node.Feature, written, row);
            var gradient = gradients.Floats(written.Value.Name + ".grad");
            var from = ((output * (written.Clean.Length / site.Width)) + node.Position) * site.Width;
            sum += TensorPrimitives.Dot(gradient.Slice(from, site.Width), row);
        }
        return sum;
    }
}
