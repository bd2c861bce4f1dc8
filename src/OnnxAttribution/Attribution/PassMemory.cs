using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>What a pass over a prompt takes, counted from shapes, and how it is run for it: whole, or site by site in chunks of rows.
/// </summary>
internal static class PassMemory
{
    // a pass is one call, where edges and interventions are many that follow each other: it may take more before it is slowed down
    private const int WholeFactor = 4;

    /// <summary>Bytes that tensors between inputs and outputs of a whole pass take at once (<see cref="LiveMemory"/>).</summary>
    /// <param name="sizes">Of symbolic axes (<see cref="LocalReplacement.Sizes"/>).</param>
    public static long OfWhole(LoadedModel model, MetricKind kind, Estimator estimator, IReadOnlyDictionary<string, long> sizes) =>
        GradientGraphs.Of(model).PassBytes(kind, estimator, sizes);

    /// <summary>Whether a pass is run in one call: it takes at most four times what the rows of a call may take.</summary>
    /// <inheritdoc cref="OfWhole" path="/param"/>
    public static bool RunsWhole(LoadedModel model, MetricKind kind, Estimator estimator, IReadOnlyDictionary<string, long> sizes) =>
        RunsWhole(OfWhole(model, kind, estimator, sizes), model.Context.MemoryBudget);

    /// <param name="whole">Bytes that the pass would take whole.</param>
    public static bool RunsWhole(long whole, long budget) => whole <= WholeFactor * budget;

    /// <summary>Bytes that a pass takes at once as it is run.</summary>
    /// <param name="whole">That it would take whole.</param>
    public static long AsRun(long whole, long budget) => RunsWhole(whole, budget) ? whole : budget;

    // half of the square of a chunk's own positions lies behind the mask
    private const int MostPrefixed = 256;

    /// <summary>How many rows of a graph fit into a budget, at least 1.</summary>
    /// <param name="count">So many are enough.</param>
    public static int RowsPerRun(OnnxGraph graph, IReadOnlyDictionary<string, long> sizes, int count, long budget)
    {
        // each row may have a position of its own
        var low = Most(count, rows =>
            LiveMemory.Peak(graph, new Dictionary<string, long>(sizes) { ["rows"] = rows, ["distinct"] = rows }) <= budget);
        if (low == count) return count;
        // as many chunks, of equal length
        var chunks = (count + low - 1) / low;
        return (count + chunks - 1) / chunks;
    }

    /// <summary>Rows in chunks that fit into a budget, each run with the positions up to its last.</summary>
    /// <param name="rows">Positions, ascending.</param>
    /// <returns>At least one row in each.</returns>
    public static IEnumerable<int[]> PrefixedRows(OnnxGraph graph, IReadOnlyDictionary<string, long> sizes, int[] rows, long budget)
    {
        for (int first = 0, count; first < rows.Length; first += count)
        {
            var from = first;
            count = Most(Math.Min(MostPrefixed, rows.Length - first), n => LiveMemory.Peak(graph,
                new Dictionary<string, long>(sizes) { ["rows"] = n, ["position"] = rows[from + n - 1] + 1 }) <= budget);
            yield return rows[first..(first + count)];
        }
    }

    // nearly the most that fit, at least 1
    private static int Most(int count, Func<int, bool> fits)
    {
        if (fits(count)) return count;
        int low = 1, high = count;
        while (high - low > Math.Max(1, low / 16))
        {
            var middle = (low + high) / 2;
            if (fits(middle)) low = middle;
            else high = middle;
        }
        return low;
    }
}
