using OnnxAttribution.Autodiff;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>The tables that a model's attentions are masked by, at a prompt's length.</summary>
/// <param name="values">By name; null: the graph shows none.</param>
/// <param name="positions">T.</param>
internal sealed class AttentionTables(RunResult? values, int positions) : IDisposable
{
    /// <summary>Whether what a prefix was told by holds: each of its tables masks the future.</summary>
    public bool AreCausal(CausalPrefix? prefix) => prefix?.Masks.All(IsCausal) == true;

    /// <summary>The positions that queries read, ascending; all where the graph does not show it.</summary>
    /// <param name="queries">Ascending.</param>
    public IReadOnlyCollection<int> ReadFrom(CausalPrefix? prefix, IReadOnlyList<int> queries)
    {
        if (prefix is not { Masks.Count: > 0 } || !AreCausal(prefix)) return [.. Enumerable.Range(0, positions)];
        var read = new SortedSet<int>();
        foreach (var mask in prefix.Masks.DistinctBy(m => m.Table))
        {
            var open = Open(mask);
            for (var n = queries.Count - 1; n >= 0 && read.Count <= queries[^1]; n--)
            {
                var row = open.AsSpan(queries[n] * positions, queries[n] + 1);
                for (var key = 0; key < row.Length; key++) if (row[key]) read.Add(key);
            }
        }
        return read;
    }

    public void Dispose() => values?.Dispose();

    private bool IsCausal(CausalMask mask) => mask.Open is null ? CausalMask.IsCausal(values!.Floats(mask.Table.Name), positions)
        : mask.IsCausal(values!.Booleans(mask.Table.Name), positions);

    // [query, key], of any head
    private bool[] Open(CausalMask mask)
    {
        var open = new bool[positions * positions];
        if (mask.Open is { } yes)
        {
            var table = values!.Booleans(mask.Table.Name);
            for (var i = 0; i < table.Length; i++) open[i % open.Length] |= table[i] == yes;
        }
        else
        {
            var table = values!.Floats(mask.Table.Name);
            for (var i = 0; i < table.Length; i++) open[i % open.Length] |= table[i] > CausalMask.Closed;
        }
        return open;
    }
}
