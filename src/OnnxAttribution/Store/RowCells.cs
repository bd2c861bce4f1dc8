namespace OnnxAttribution.Store;

/// <summary>The cells of a table that came out of a file: row after row, and in each the columns of a record
/// one after the other.</summary>
/// <param name="file">For a message.</param>
internal sealed class RowCells(StoredTable table, StoredColumn[] columns, string file)
{
    private readonly int[] _places = [.. columns.Select(c => table.IndexOf(c.Name))];
    private int _row = -1;
    private int _next;

    /// <summary>Goes to the first cell of the next row; false after the last.</summary>
    public bool NextRow()
    {
        _next = 0;
        return ++_row < table.Count;
    }

    public string? TextOrNull() => Cell<string?>();

    public int? IntegerOrNull() => Cell<int?>();

    /// <summary>NaN where the file has NULL, as for <see cref="Double"/>.</summary>
    public float Float() => Cell<float>();

    public double Double() => Cell<double>();

    /// <exception cref="RunDirectoryException">The file has NULL there, as for the other values that a row must have.</exception>
    public string Text() => TextOrNull() ?? throw Null();

    public int Integer() => IntegerOrNull() ?? throw Null();

    public bool Boolean() => Cell<bool?>() ?? throw Null();

    /// <summary>A number that a row must have.</summary>
    public float Finite()
    {
        var value = Float();
        return float.IsFinite(value) ? value : throw Null();
    }

    /// <summary>What is wrong with the row as a whole.</summary>
    public RunDirectoryException Wrong(string what) => RunDirectoryException.Corrupt(file, $"row {_row + 1} {what}");

    private T Cell<T>() => table.Cell<T>(_places[_next++], _row);

    private RunDirectoryException Null() => RunDirectoryException.Corrupt(file, $"row {_row + 1} has no {columns[_next - 1].Name}");
}
