using OnnxAttribution.Model;

namespace OnnxAttribution.Preflight;

/// <summary>Sequences of tokens laid one behind the other: which row of a site's activations is which token.</summary>
/// <param name="sequences">With BOS where there is one.</param>
internal sealed class RowLayout(IReadOnlyList<int[]> sequences)
{
    private readonly bool[] _first = [.. sequences.SelectMany(s => s.Select((_, t) => t == 0))];

    public IReadOnlyList<int[]> Sequences => sequences;

    /// <summary>Positions of all sequences.</summary>
    public int Rows => _first.Length;

    /// <summary>Whether a row is the first position of its sequence, which is BOS or has an activation many times as long as others:
    /// it counts in no figure but its own.</summary>
    public bool IsFirst(int row) => _first[row];

    /// <summary>Rows that count.</summary>
    public int Counted => Rows - sequences.Count;

    public static RowLayout Of(IEnumerable<int[]> sequences, int? bos) => new([.. sequences.Select(s => bos is { } b ? [b, .. s] : s)]);

    /// <summary>The first sequences, as many as hold so many rows.</summary>
    public RowLayout Beginning(int rows)
    {
        var some = new List<int[]>();
        for (var i = 0; i < sequences.Count && rows > 0; rows -= sequences[i++].Length) some.Add(sequences[i]);
        return some.Count == sequences.Count ? this : new RowLayout(some);
    }

    /// <summary>Batches of sequences: the first one's number, how many, and the longest's length.</summary>
    public IEnumerable<(int First, int Count, int Length)> Batches(int most)
    {
        for (var first = 0; first < sequences.Count; first += most)
        {
            var count = Math.Min(most, sequences.Count - first);
            yield return (first, count, Enumerable.Range(first, count).Max(i => sequences[i].Length));
        }
    }

    /// <summary>Token ids [count, length] (<see cref="TokenIds.Padded"/>).</summary>
    public long[] Padded(int first, int count, int length) => TokenIds.Padded([.. sequences.Skip(first).Take(count)], length);
}
