using System.Text.Json;

namespace OnnxAttribution.Store;

/// <summary>A column of a table whose rows are records: its name is the property's in snake case.</summary>
/// <param name="Of">The property's value; null and NaN are NULL.</param>
internal sealed record TableColumn<TRow>(string Property, StoredType Type, Func<TRow, StoredValue> Of)
{
    public string Name { get; } = JsonNamingPolicy.SnakeCaseLower.ConvertName(Property);
}

/// <summary>A record that is a row of a table.</summary>
internal interface ITableRow<TRow> where TRow : ITableRow<TRow>
{
    /// <summary>In the order of the file.</summary>
    static abstract IReadOnlyList<TableColumn<TRow>> Columns { get; }
}

/// <summary>Tables of rows that are records.</summary>
internal static class RowTable
{
    public static StoredTable Of<TRow>(IEnumerable<TRow> rows) where TRow : ITableRow<TRow>
    {
        var table = new StoredTable(Columns<TRow>());
        var cells = new StoredValue[TRow.Columns.Count];
        foreach (var row in rows)
        {
            for (var c = 0; c < cells.Length; c++) cells[c] = TRow.Columns[c].Of(row);
            table.Add(cells);
        }
        return table;
    }

    /// <summary>Columns of some properties; of all where none is named.</summary>
    public static StoredColumn[] Columns<TRow>(params ReadOnlySpan<string> properties) where TRow : ITableRow<TRow>
    {
        var wanted = properties.ToArray();
        return [.. TRow.Columns.Where(c => wanted.Length == 0 || wanted.Contains(c.Property))
            .Select(c => new StoredColumn(c.Name, c.Type))];
    }
}
