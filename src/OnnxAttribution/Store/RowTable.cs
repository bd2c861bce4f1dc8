namespace OnnxAttribution.Store;

/// <summary>A record that is a row of a table.</summary>
internal interface ITableRow<TRow> where TRow : ITableRow<TRow>
{
    /// <summary>The table's name, which its file has too.</summary>
    static abstract string Table { get; }

    /// <summary>The record's properties, in the order of the file: what is written, what is read, and what the reference lists.</summary>
    static abstract StoredColumn[] Columns { get; }

    /// <summary>Appends the row to a table of these columns; NaN becomes NULL.</summary>
    void AddTo(StoredTable table);

    /// <summary>Makes a row of the next cell of each column.</summary>
    static abstract TRow Read(RowCells cells);
}

/// <summary>Tables of rows that are records.</summary>
internal static class RowTable
{
    public static StoredTable Of<TRow>(IEnumerable<TRow> rows) where TRow : ITableRow<TRow>
    {
        var table = new StoredTable(TRow.Columns);
        foreach (var row in rows) row.AddTo(table);
        return table;
    }

    /// <summary>The rows of a table that has the record's columns, in any order, and perhaps others.</summary>
    /// <param name="table">Read from a file.</param>
    /// <param name="file">The file, for a message.</param>
    /// <exception cref="RunDirectoryException">NULL stands where a row has a value.</exception>
    public static IReadOnlyList<TRow> Read<TRow>(StoredTable table, string file) where TRow : ITableRow<TRow>
    {
        var cells = new RowCells(table, TRow.Columns, file);
        var rows = new List<TRow>(table.Count);
        while (cells.NextRow()) rows.Add(TRow.Read(cells));
        return rows;
    }
}
