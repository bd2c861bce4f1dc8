using System.Collections;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

internal sealed partial class StoredTable
{
    /// <summary>A SELECT list with the names and types of the columns, for a <see cref="DuckDbSource"/>.</summary>
    internal string Shape => string.Join(", ", Columns.Select(column => $"NULL::{column.SqlType} AS {SqlText.Name(column.Name)}"));

    /// <summary>Copies rows into DuckDB's memory.</summary>
    /// <param name="vectors">Columns of the types of this table.</param>
    /// <param name="from">The first row.</param>
    /// <returns>How many were copied: as many as there are, or as fit.</returns>
    internal int Fill(DuckDbVectors vectors, int from)
    {
        var rows = Math.Min(DuckDbVectors.Capacity, Count - from);
        for (var c = 0; c < _values.Length; c++) Fill(vectors, c, _values[c], from, rows);
        return rows;
    }

    /// <summary>Appends a row, whose columns have the types of this table.</summary>
    internal void Append(DuckDbRows rows)
    {
        for (var c = 0; c < _values.Length; c++) Add(_values[c], Cell(rows, c, Columns[c].Type));
    }

    private static StoredValue Cell(DuckDbRows rows, int column, StoredType type) => rows.IsNull(column) ? StoredValue.Null : type switch
    {
        StoredType.Varchar => rows.Value<string>(column),
        StoredType.Integer => rows.Value<int>(column),
        StoredType.BigInt => rows.Value<long>(column),
        StoredType.Float => rows.Value<float>(column),
        StoredType.Double => rows.Value<double>(column),
        _ => rows.Value<bool>(column),
    };

    private static void Fill(DuckDbVectors vectors, int column, IList values, int from, int rows)
    {
        switch (values)
        {
            case List<string?> texts:
                for (var row = 0; row < rows; row++)
                {
                    if (texts[from + row] is { } text) vectors.SetText(column, row, text);
                    else vectors.SetNull(column, row);
                }

                break;
            case List<int?> integers: FillNullable(vectors, column, Span(integers, from, rows)); break;
            case List<long?> integers: FillNullable(vectors, column, Span(integers, from, rows)); break;
            case List<bool?> claims: FillNullable(vectors, column, Span(claims, from, rows)); break;
            case List<float> reals: FillReal(vectors, column, Span(reals, from, rows)); break;
            case List<double> reals: FillReal(vectors, column, Span(reals, from, rows)); break;
        }
    }

    private static void FillNullable<T>(DuckDbVectors vectors, int column, ReadOnlySpan<T?> values) where T : unmanaged
    {
        var cells = vectors.Column<T>(column);
        for (var row = 0; row < values.Length; row++)
        {
            if (values[row] is { } value) cells[row] = value;
            else vectors.SetNull(column, row);
        }
    }

    private static void FillReal<T>(DuckDbVectors vectors, int column, ReadOnlySpan<T> values)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        values.CopyTo(vectors.Column<T>(column));
        for (var row = 0; row < values.Length; row++)
        {
            if (T.IsNaN(values[row])) vectors.SetNull(column, row);
        }
    }

    private static ReadOnlySpan<T> Span<T>(List<T> values, int from, int rows) => CollectionsMarshal.AsSpan(values).Slice(from, rows);
}
