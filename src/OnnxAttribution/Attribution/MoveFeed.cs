using OnnxAttribution.Autodiff;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>What a run of moved rows is given (<see cref="MoveInputs"/>), but for the moved tensors.</summary>
/// <param name="Rows">The positions that are run before any is read by another.</param>
/// <param name="Pairs">(row, position) that are read behind, rows as <paramref name="Rows"/> calls them.</param>
internal sealed record MoveFeed(PackedRows Rows, IReadOnlyList<(int Row, int Position)> Pairs)
{
    /// <summary>Everything but the moved tensors; the caller's.</summary>
    public Feed Of(int[] tokens)
    {
        var (spans, length) = (Rows.Spans, tokens.Length);
        var whole = new long[spans.Count * length];
        for (var i = 0; i < whole.Length; i++) whole[i] = Rows.At(spans[i / length].Row, i % length);
        var places = spans.Select((s, i) => (s.Row, i)).ToDictionary(s => s.Row, s => (long)s.i);
        return new Feed()
            .Add(MoveInputs.RowPosition, [.. Rows.Entries().Select(e => (long)e.Position)], Rows.Count)
            .Add(MoveInputs.WholeRows, whole, spans.Count, length)
            .Add(MoveInputs.WholeFirst, [.. spans.Select(s => s.Row == 0 ? 0L : s.First)], spans.Count)
            .Add(MoveInputs.PairRow, [.. Pairs.Select(p => places[p.Row])], Pairs.Count)
            .Add(MoveInputs.PairPosition, [.. Pairs.Select(p => (long)p.Position)], Pairs.Count)
            .AddTokens(tokens);
    }

    /// <summary>Gives a moved tensor that is held of each row where it differs, and of row 0.</summary>
    /// <param name="value">[1, entries, d]; lent.</param>
    public void Lend(Feed feed, string name, DeviceTensor value, PackedRows held)
    {
        long[] taken = [.. Rows.Entries().Select(e => (long)held.At(e.Row, e.Position))];
        feed.Lend(MoveInputs.HeldOf(name), value.Value).Add(MoveInputs.RowsOf(name), taken, taken.Length);
    }

    /// <summary>Gives a moved tensor that is held as it is run, and as it is unmoved.</summary>
    /// <param name="values">[entries, d], row 0's T first.</param>
    public void Add(Feed feed, string name, float[] values, int positions)
    {
        var width = values.Length / Rows.Count;
        feed.Add(MoveInputs.HeldOf(name), values, 1, Rows.Count, width)
            .Add(MoveInputs.RowsOf(name), [.. Enumerable.Range(0, Rows.Count).Select(r => (long)r)], Rows.Count)
            .Add(name, values.AsMemory(0, positions * width), 1, positions, width);
    }

    /// <summary>Sizes of a graph's symbolic axes.</summary>
    public Dictionary<string, long> Sizes(int positions) => new()
    {
        ["position"] = positions,
        ["batch"] = 1,
        ["rows"] = Rows.Count,
        ["whole"] = Rows.Spans.Count,
        ["pairs"] = Pairs.Count,
    };
}
