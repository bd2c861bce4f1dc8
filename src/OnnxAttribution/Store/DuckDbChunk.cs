using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OnnxAttribution.Store;

/// <summary>Up to 2,048 rows of a result, column by column. Who fetches it disposes it; its spans die with it.</summary>
internal sealed unsafe class DuckDbChunk : IDisposable
{
    private readonly DuckDbColumn[] _columns;
    private readonly nint[] _data;
    private readonly nint[] _validity;
    private readonly byte[] _scratch = new byte[64];   // the longest number: a 39-digit DECIMAL with sign and point
    private nint _handle;

    internal DuckDbChunk(nint handle, DuckDbColumn[] columns)
    {
        (_handle, _columns) = (handle, columns);
        (_data, _validity) = (new nint[columns.Length], new nint[columns.Length]);
        Rows = checked((int)DuckDbNative.ChunkSize(handle));
        for (int c = 0; c < columns.Length; c++)
        {
            nint vector = DuckDbNative.ChunkVector(handle, (ulong)c);
            _data[c] = (nint)DuckDbNative.VectorData(vector);
            _validity[c] = (nint)DuckDbNative.VectorValidity(vector);
        }
    }

    public int Rows { get; }

    public bool IsNull(int column, int row)
    {
        var validity = (ulong*)_validity[column];
        return validity is not null && (validity[row >> 6] >> (row & 63) & 1) == 0;
    }

    /// <summary>The values of a column whose <see cref="DuckDbColumn.Storage"/> is <typeparamref name="T"/>; at NULLs they mean nothing.</summary>
    public ReadOnlySpan<T> Values<T>(int column) where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        return new((void*)_data[column], Rows);
    }

    /// <summary>Whether a column of this chunk may hold NULLs at all.</summary>
    public bool HasNulls(int column) => _validity[column] != 0;

    /// <summary>The codes of an ENUM column, widened.</summary>
    public int[] Codes(int column)
    {
        var codes = new int[Rows];
        for (int row = 0; row < codes.Length; row++)
            codes[row] = (int)SignedInteger(_columns[column].Storage, (void*)_data[column], row);
        return codes;
    }

    /// <summary>A value as text in UTF-8: numbers in the invariant culture with as many digits as bring the same value back, booleans as
    /// <c>true</c> and <c>false</c>. Valid until the next call; not for NULL.</summary>
    public ReadOnlySpan<byte> Utf8(int column, int row)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows);
        void* data = (void*)_data[column];
        var description = _columns[column];
        return description.Type switch
        {
            DuckDbType.Varchar => DuckDbString.Utf8((DuckDbString*)data + row),
            DuckDbType.Boolean => ((byte*)data)[row] != 0 ? "true"u8 : "false"u8,
            DuckDbType.Float => Real(((float*)data)[row]),
            DuckDbType.Double => Real(((double*)data)[row]),
            DuckDbType.UHugeInt => Integer(((UInt128*)data)[row]),
            DuckDbType.Decimal => Decimal(SignedInteger(description.Storage, data, row), description.Scale),
            DuckDbType.Enum => description.Labels[(int)SignedInteger(description.Storage, data, row)],
            _ => Integer(SignedInteger(description.Storage, data, row)),
        };
    }

    /// <summary><see cref="Utf8"/> as a string, null for NULL.</summary>
    public string? Text(int column, int row) => IsNull(column, row) ? null : Encoding.UTF8.GetString(Utf8(column, row));

    public void Dispose()
    {
        if (_handle != 0)
            DuckDbNative.DestroyDataChunk(ref _handle);
        _handle = 0;
    }

    private static Int128 SignedInteger(DuckDbType storage, void* data, int row) => storage switch
    {
        DuckDbType.TinyInt => ((sbyte*)data)[row],
        DuckDbType.SmallInt => ((short*)data)[row],
        DuckDbType.Integer => ((int*)data)[row],
        DuckDbType.BigInt => ((long*)data)[row],
        DuckDbType.UTinyInt => ((byte*)data)[row],
        DuckDbType.USmallInt => ((ushort*)data)[row],
        DuckDbType.UInteger => ((uint*)data)[row],
        DuckDbType.UBigInt => ((ulong*)data)[row],
        DuckDbType.HugeInt => new Int128(((ulong*)data)[2 * row + 1], ((ulong*)data)[2 * row]),
        _ => throw new NotSupportedException($"DuckDB's type number {(int)storage} has no printed form here; cast the column to VARCHAR."),
    };

    private ReadOnlySpan<byte> Integer<T>(T value) where T : IUtf8SpanFormattable
    {
        value.TryFormat(_scratch, out int written, default, CultureInfo.InvariantCulture);
        return _scratch.AsSpan(0, written);
    }

    private ReadOnlySpan<byte> Integer(Int128 value)
    {
        if (value < long.MinValue || value > long.MaxValue)
            return Integer<Int128>(value);
        Utf8Formatter.TryFormat((long)value, _scratch, out int written);
        return _scratch.AsSpan(0, written);
    }

    /// <summary>As DuckDB prints them: nan, inf and -inf in small letters.</summary>
    private ReadOnlySpan<byte> Real<T>(T value) where T : System.Numerics.IBinaryFloatingPointIeee754<T>, IUtf8SpanFormattable
    {
        if (T.IsNaN(value))
            return "nan"u8;
        return T.IsInfinity(value) ? (T.IsPositive(value) ? "inf"u8 : "-inf"u8) : Integer(value);
    }

    private ReadOnlySpan<byte> Decimal(Int128 scaled, int scale)
    {
        string digits = Int128.Abs(scaled).ToString(CultureInfo.InvariantCulture).PadLeft(scale + 1, '0');
        string text = (scaled < 0 ? "-" : "") + digits[..^scale] + (scale > 0 ? "." + digits[^scale..] : "");
        return _scratch.AsSpan(0, Encoding.ASCII.GetBytes(text, _scratch));
    }
}
