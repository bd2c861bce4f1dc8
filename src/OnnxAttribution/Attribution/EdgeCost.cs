using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>What the edges into one site take.</summary>
/// <param name="Operations">Floating-point operations of the matrix products.</param>
/// <param name="Pairs">Edges that there can be, before any is chosen.</param>
/// <param name="RunBytes">The most memory of one run.</param>
/// <param name="LeastBytes">The same with one cotangent a run.</param>
/// <param name="Graph">null: nothing is run.</param>
internal readonly record struct EdgeCost(long Operations, long Pairs, long RunBytes, long LeastBytes, OnnxGraph? Graph)
{
    /// <summary>Counts the edges into a selected site from how many nodes stand where: <see cref="EdgeFinder"/> without running anything.
    /// </summary>
    /// <param name="downstream">Index of the selected site.</param>
    /// <param name="nodes">How many nodes, features and errors, stand at each position of each selected site.</param>
    /// <param name="cotangents">The same of those that edges lead into.</param>
    public static EdgeCost Into(LoadedModel model, int downstream, Estimator estimator, IReadOnlyList<int[]> nodes, int[] cotangents)
    {
        var (rows, positions) = (cotangents.Sum(), cotangents.Length);
        if (rows == 0 || GradientGraphs.Of(model).SegmentGraph(downstream, estimator) is not { } segment) return default;
        var parents = segment.Parents.Select(link => (Link: link, Nodes: nodes[model.SelectedSite(link.Value)!.Index]))
            .Where(p => p.Nodes.Sum() > 0).ToList();
        if (parents.Count == 0) return default;
        var pairs = parents.Sum(p => p.Link.TakesTangents ? (long)rows * p.Nodes.Sum() : SamePosition(cotangents, p.Nodes));
        if (segment.NeedsNoRun) return new(0, pairs, 0, 0, null);
        var up = UpstreamNodes.Counted(parents.MaxBy(p => p.Nodes.Sum()).Nodes);
        var perRun = EdgeFinder.RowsPerRun(segment, up, positions, model.Context.MemoryBudget);
        var (operations, most) = (0L, 0L);
        foreach (var (count, distinct) in Runs(cotangents, perRun))
        {
            var sizes = up.Sizes(positions, count, distinct);
            operations += FlopCount.Of(segment.Graph, sizes);
            if (most == 0) most = LiveMemory.Peak(segment.Graph, sizes);
        }
        return new(operations, pairs, most, LiveMemory.Peak(segment.Graph, up.Sizes(positions, 1, 1)), segment.Graph);
    }

    private static long SamePosition(int[] one, int[] other)
    {
        var sum = 0L;
        for (var t = 0; t < one.Length; t++) sum += (long)one[t] * other[t];
        return sum;
    }

    // rows of each run, and the positions that they stand at
    private static IEnumerable<(int Rows, int Distinct)> Runs(int[] at, int perRun)
    {
        var (rows, distinct) = (0, 0);
        for (var t = 0; t < at.Length; t++)
        {
            for (var left = at[t]; left > 0;)
            {
                var taken = Math.Min(left, perRun - rows);
                (rows, distinct, left) = (rows + taken, distinct + 1, left - taken);
                if (rows < perRun) continue;
                yield return (rows, distinct);
                (rows, distinct) = (0, 0);
            }
        }
        if (rows > 0) yield return (rows, distinct);
    }
}
