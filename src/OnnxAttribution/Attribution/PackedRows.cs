namespace OnnxAttribution.Attribution;

/// <summary>Which positions a tensor [1, entries, d] holds of which rows: those of the unmoved row, which is row 0, then of each moved row
/// the ones that differ from it.</summary>
internal sealed class PackedRows
{
    private readonly List<Span> _spans = [];
    private readonly Dictionary<int, int> _places = [];

    /// <param name="First">The first position held.</param>
    /// <param name="Offset">Its entry.</param>
    internal readonly record struct Span(int Row, int First, int Count, int Offset)
    {
        public int End => First + Count;

        public bool Holds(int position) => position >= First && position < End;
    }

    /// <param name="first">The first position of row 0, and how many: all, or the only one that is ever read.</param>
    public PackedRows(int first, int count) => Add(0, first, count);

    /// <summary>How many entries there are.</summary>
    public int Count => _spans[^1].Offset + _spans[^1].Count;

    /// <summary>Row by row, row 0 first.</summary>
    public IReadOnlyList<Span> Spans => _spans;

    /// <summary>What is held of row 0.</summary>
    public Span Still => _spans[0];

    /// <summary>The same, to add to.</summary>
    public PackedRows Copy()
    {
        var copy = new PackedRows(Still.First, Still.Count);
        foreach (var s in _spans.Skip(1)) copy.Add(s.Row, s.First, s.Count);
        return copy;
    }

    /// <summary>Adds positions of a row that is not there yet, behind the entries so far.</summary>
    public void Add(int row, int first, int count)
    {
        _places[row] = _spans.Count;
        _spans.Add(new Span(row, first, count, _spans.Count == 0 ? 0 : Count));
    }

    /// <summary>What is held of a row; null: it is as row 0.</summary>
    public Span? Of(int row) => _places.TryGetValue(row, out var place) ? _spans[place] : null;

    /// <summary>The entry of a row at a position: row 0's where the row does not differ.</summary>
    public int At(int row, int position)
    {
        if (Of(row) is { } s && s.Holds(position)) return s.Offset + position - s.First;
        return Math.Clamp(position - Still.First, 0, Still.Count - 1);
    }

    /// <summary>Row and position of every entry.</summary>
    public IEnumerable<(int Row, int Position)> Entries()
    {
        foreach (var s in _spans)
        {
            for (var t = s.First; t < s.End; t++) yield return (s.Row, t);
        }
    }
}
