using System.Collections;

namespace OnnxAttribution.Store;

/// <summary>A table in memory, column by column: what goes into a Parquet file, or what came out of one.</summary>
/// <remarks>Each column is a list of its own type, 2 to 16 bytes per value, and nothing is boxed.</remarks>
internal sealed partial class StoredTable
{
    // by column: List<string?>, List<int?>, List<long?>, List<float>, List<double> or List<bool?>
    private readonly IList[] _values;

    /// <summary>A table without rows.</summary>
    /// <exception cref="ArgumentException">There is no column, or one has no name or another's.</exception>
    public StoredTable(params ReadOnlySpan<StoredColumn> columns)
    {
        Columns = columns.ToArray();
        if (Columns.Count == 0) throw new ArgumentException("A table has at least one column.", nameof(columns));
        if (Columns.FirstOrDefault(column => column.Name.Length == 0) is not null)
        {
            throw new ArgumentException("A column has a name.", nameof(columns));
        }
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        if (Columns.FirstOrDefault(column => !names.Add(column.Name)) is { } twice)
        {
            throw new ArgumentException($"There are two columns '{twice.Name}'; SQL does not tell capitals from small letters.",
                nameof(columns));
        }
        _values = [.. Columns.Select(column => NewList(column.Type))];
    }

    public IReadOnlyList<StoredColumn> Columns { get; }

    /// <summary>Number of rows.</summary>
    public int Count => _values[0].Count;

    /// <summary>Appends a row.</summary>
    /// <param name="row">One value per column, in their order.
    /// An <see cref="int"/> may go into BIGINT and DOUBLE, a <see cref="float"/> into DOUBLE; nothing else is converted.</param>
    /// <exception cref="ArgumentException">Too few or too many values, or one of another type; the table is as it was.</exception>
    public void Add(params ReadOnlySpan<StoredValue> row)
    {
        if (row.Length != _values.Length)
        {
            throw new ArgumentException($"A row of this table has {_values.Length} values and not {row.Length}.", nameof(row));
        }
        for (var c = 0; c < row.Length; c++)
        {
            if (!row[c].Fits(Columns[c].Type))
            {
                throw new ArgumentException($"Column '{Columns[c].Name}' is {Columns[c].SqlType} and takes no {row[c].TypeName}.",
                    nameof(row));
            }
        }

        for (var c = 0; c < row.Length; c++) Add(_values[c], row[c]);
    }

    /// <summary>The values of a column, in the rows' order.</summary>
    /// <typeparam name="T"><see cref="string"/>, <c>int?</c>, <c>long?</c>, <see cref="float"/>,
    /// <see cref="double"/> or <c>bool?</c>, as the column is; NULL is null, or NaN.</typeparam>
    /// <param name="name">The column's name.</param>
    /// <exception cref="ArgumentException">There is no such column, or it is of another type.</exception>
    public IReadOnlyList<T> Values<T>(string name)
    {
        var column = IndexOf(name);
        return _values[column] as List<T>
            ?? throw new ArgumentException($"Column '{name}' is {Columns[column].SqlType} and not {typeof(T)}.", nameof(name));
    }

    /// <summary>The place of a column.</summary>
    /// <exception cref="ArgumentException">There is no such column.</exception>
    internal int IndexOf(string name)
    {
        for (var c = 0; c < Columns.Count; c++)
        {
            if (Columns[c].Name.Equals(name, StringComparison.OrdinalIgnoreCase)) return c;
        }
        throw new ArgumentException($"There is no column '{name}', only {string.Join(", ", Columns.Select(c => c.Name))}.", nameof(name));
    }

    /// <summary>A cell of a column, of the column's own type.</summary>
    internal T Cell<T>(int column, int row) => ((List<T>)_values[column])[row];

    private static IList NewList(StoredType type) => type switch
    {
        StoredType.Varchar => new List<string?>(),
        StoredType.Integer => new List<int?>(),
        StoredType.BigInt => new List<long?>(),
        StoredType.Float => new List<float>(),
        StoredType.Double => new List<double>(),
        StoredType.Boolean => new List<bool?>(),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no type of a column"),
    };

    private static void Add(IList values, in StoredValue value)
    {
        switch (values)
        {
            case List<string?> texts: texts.Add(value.Text); break;
            case List<int?> integers: integers.Add((int?)value.Integer); break;
            case List<long?> integers: integers.Add(value.Integer); break;
            case List<float> reals: reals.Add(value.Float); break;
            case List<double> reals: reals.Add(value.Double); break;
            case List<bool?> claims: claims.Add(value.Boolean); break;
        }
    }
}
