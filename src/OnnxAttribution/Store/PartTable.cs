namespace OnnxAttribution.Store;

/// <summary>A table of a part being written, whose rows are many and are sorted at the end.</summary>
/// <param name="writer">The caller's.</param>
/// <param name="order">Columns in SQL.</param>
internal sealed class PartTable<TRow>(PartWriter writer, string order) where TRow : ITableRow<TRow>
{
    private const int RowsInMemory = 1 << 19;

    private readonly List<TRow> _rows = [];
    private int _pieces;

    /// <inheritdoc cref="PartWriter.Writing" path="/exception"/>
    public void Add(IEnumerable<TRow> rows)
    {
        _rows.AddRange(rows);
        if (_rows.Count >= RowsInMemory) writer.Writing(Piece);
    }

    /// <summary>Puts the file in its place.</summary>
    public void Put(DuckDbDatabase database)
    {
        Piece();
        var pieces = Enumerable.Range(0, _pieces).Select(piece => writer.Aside(TRow.Table, piece));
        writer.Put(database, TRow.Table, $"FROM {ParquetFile.Sql(pieces)} ORDER BY {order}");
    }

    private void Piece()
    {
        writer.Write(TRow.Table, _pieces++, _rows);
        _rows.Clear();
    }
}
