using System.Globalization;
using System.Numerics;
using DuckDB.NET.Data;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>The rows of one statement, computed as they are read. Who runs the statement disposes them, before the database.</summary>
internal sealed class DuckDbRows : IDisposable
{
    private readonly DuckDBCommand _command;
    private readonly DuckDBDataReader _reader;
    private readonly CancellationTokenRegistration _interrupt;
    private readonly CancellationToken _cancellation;

    internal DuckDbRows(DuckDBCommand command, DuckDBDataReader reader, CancellationTokenRegistration interrupt, CancellationToken cancel)
    {
        (_command, _reader, _interrupt, _cancellation) = (command, reader, interrupt, cancel);
        Columns = [.. Enumerable.Range(0, reader.FieldCount)
            .Select(c => new DuckDbColumn(reader.GetName(c), Enum.Parse<DuckDBType>(reader.GetDataTypeName(c))))];
    }

    public DuckDbColumn[] Columns { get; }

    /// <summary>Goes to the next row; false after the last.</summary>
    /// <exception cref="DuckDbException">A row could not be computed, or a file turned out to be broken.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public bool Read()
    {
        try
        {
            return _reader.Read();
        }
        catch (DuckDBException e)
        {
            _cancellation.ThrowIfCancellationRequested();
            throw new DuckDbException(e.Message, e);
        }
    }

    public bool IsNull(int column) => _reader.IsDBNull(column);

    /// <summary>A value of the row, which must be of the column's own type.</summary>
    /// <exception cref="InvalidCastException">It is NULL or of another type.</exception>
    public T Value<T>(int column) => _reader.GetFieldValue<T>(column);

    /// <summary>A value as text, null for NULL: numbers in the invariant culture with as many digits as bring the same value back,
    /// booleans as <c>true</c> and <c>false</c>, and nan, inf and -inf in small letters as DuckDB prints them.</summary>
    public string? Text(int column) => IsNull(column) ? null : Columns[column].Type switch
    {
        DuckDBType.Varchar or DuckDBType.Enum => _reader.GetString(column),
        DuckDBType.Boolean => _reader.GetBoolean(column) ? "true" : "false",
        DuckDBType.Float => Real(_reader.GetFloat(column)),
        DuckDBType.Double => Real(_reader.GetDouble(column)),
        DuckDBType.Decimal => Decimal(_reader.GetFieldValue<DuckDBDecimal>(column)),
        _ when Columns[column].IsNumber => ((IFormattable)_reader.GetValue(column)).ToString(null, CultureInfo.InvariantCulture),
        var type => throw new NotSupportedException($"DuckDB's type {type} has no printed form here; cast the column to VARCHAR."),
    };

    public void Dispose()
    {
        _interrupt.Dispose();
        _reader.Dispose();
        _command.Dispose();
    }

    private static string Real<T>(T value) where T : IBinaryFloatingPointIeee754<T>
    {
        if (T.IsNaN(value)) return "nan";
        return T.IsInfinity(value) ? (T.IsPositive(value) ? "inf" : "-inf") : value.ToString(null, CultureInfo.InvariantCulture);
    }

    /// <summary>With all digits after the point, also beyond the 28 digits of <see cref="decimal"/>.</summary>
    private static string Decimal(DuckDBDecimal value)
    {
        var scaled = value.Value.ToBigInteger();
        var digits = BigInteger.Abs(scaled).ToString(CultureInfo.InvariantCulture).PadLeft(value.Scale + 1, '0');
        return (scaled.Sign < 0 ? "-" : "") + digits[..^value.Scale] + (value.Scale > 0 ? "." + digits[^value.Scale..] : "");
    }
}
