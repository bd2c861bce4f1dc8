using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

internal sealed partial class StoredTable
{
    /// <summary>Reads a Parquet file, all of it into memory.</summary>
    /// <param name="file">Any Parquet file. Integers of other widths become INTEGER or BIGINT,
    /// whatever else a table cannot hold VARCHAR.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="RunDirectoryException">The file is missing, unreadable or damaged; the message names it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static StoredTable Read(string file, CancellationToken cancel = default)
    {
        if (!File.Exists(file)) throw RunDirectoryException.FileMissing(file);
        var full = ParquetFile.Checked(file);
        try
        {
            return Load(full, null, cancel);
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(full, e);
        }
    }

    /// <param name="file">Absolute path.</param>
    /// <param name="columns">What to read; all columns where null or empty.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="DuckDbException">The file is damaged or lacks a column.</exception>
    internal static StoredTable Load(string file, IReadOnlyList<StoredColumn>? columns, CancellationToken cancel)
    {
        using var database = DuckDbLender.Lend(ParquetFile.Spill);
        return Load(database, file, columns, cancel);
    }

    /// <param name="database">The caller's.</param>
    /// <inheritdoc cref="Load(string, IReadOnlyList{StoredColumn}?, CancellationToken)"/>
    internal static StoredTable Load(DuckDbDatabase database, string file, IReadOnlyList<StoredColumn>? columns, CancellationToken cancel)
    {
        var table = new StoredTable([.. columns is { Count: > 0 } ? columns : Describe(database, file, cancel)]);
        var select = string.Join(", ", table.Columns.Select(column => $"{SqlText.Name(column.Name)}::{column.SqlType}"));
        var later = string.Join(", ", table.Columns.Where(c => c.IsLater).Select(c => $"NULL::{c.SqlType} AS {SqlText.Name(c.Name)}"));
        var from = later.Length == 0 ? ParquetFile.Sql(file)
            : $"(FROM {ParquetFile.Sql(file)} UNION ALL BY NAME SELECT {later} WHERE false)";
        using var rows = database.Query($"SELECT {select} FROM {from}", cancel);
        while (rows.Read()) table.Append(rows);
        return table;
    }

    private static StoredColumn[] Describe(DuckDbDatabase database, string file, CancellationToken cancel)
    {
        using var rows = database.Query($"FROM {ParquetFile.Sql(file)} LIMIT 0", cancel);
        return [.. rows.Columns.Select(column => new StoredColumn(column.Name, Nearest(column.Type)))];
    }

    private static StoredType Nearest(DuckDBType type) => type switch
    {
        DuckDBType.Boolean => StoredType.Boolean,
        DuckDBType.TinyInt or DuckDBType.SmallInt or DuckDBType.Integer or DuckDBType.UnsignedTinyInt or DuckDBType.UnsignedSmallInt =>
            StoredType.Integer,
        DuckDBType.BigInt or DuckDBType.UnsignedInteger => StoredType.BigInt,
        DuckDBType.Float => StoredType.Float,
        DuckDBType.Double => StoredType.Double,
        _ => StoredType.Varchar,
    };
}
