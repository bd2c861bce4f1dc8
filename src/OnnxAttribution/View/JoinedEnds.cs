using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>A run of ablations in which a feature that is ablated at all positions at once is also what others lead to: their edges end
/// at its positions, so that no path goes through it. Here they end at the feature.</summary>
internal static class JoinedEnds
{
    /// <summary>Sums what an upstream node does to a feature over its positions. A derivative of several activations is none of one: of a
    /// joined edge there is none, as of any that is a sum over positions.</summary>
    /// <returns>The same nodes; the run itself where nothing is to be joined.</returns>
    public static StoredRun Of(StoredRun run)
    {
        if (run.Record is not AblationRunRecord) return run;
        var whole = new Dictionary<(string, int), int>();
        for (var i = 0; i < run.Nodes.Count; i++)
        {
            var node = run.Nodes[i];
            if (node.Position < 0 && !float.IsNaN(node.Effect)) whole[(node.Site, node.Feature)] = i;
        }
        if (whole.Count == 0) return run;
        var sums = new Dictionary<(int Up, int Down), CausalEdge>();
        foreach (var edge in run.Edges.Span)
        {
            var down = edge.Down == CausalEdge.Metric ? CausalEdge.Metric : Whole(edge.Down);
            sums[(edge.Up, down)] = sums.TryGetValue((edge.Up, down), out var sum)
                ? new CausalEdge(edge.Up, down, float.NaN, sum.Effect + edge.Effect) : edge with { Down = down };
        }
        return run with { Edges = sums.Values.ToArray() };

        int Whole(int down) => whole.GetValueOrDefault((run.Nodes[down].Site, run.Nodes[down].Feature), down);
    }
}
