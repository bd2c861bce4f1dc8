using System.Text;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>The columns of a chunk that is being filled or read, <see cref="Capacity"/> rows at most.
/// Valid during one call of <see cref="DuckDbFill"/> or <see cref="DuckDbTake"/>.</summary>
internal readonly unsafe struct DuckDbVectors(DuckDBDataChunk chunk)
{
    /// <summary>Rows in a chunk, DuckDB's own constant.</summary>
    public const int Capacity = 2048;

    /// <summary>The memory of a column, for values of <typeparamref name="T"/>, which must be the type the column is stored as.</summary>
    public Span<T> Column<T>(int column) where T : unmanaged => new(NativeMethods.Vectors.DuckDBVectorGetData(Vector(column)), Capacity);

    /// <summary>Puts a text, copied, into a VARCHAR column. Unpaired surrogates become U+FFFD.</summary>
    public void SetText(int column, int row, string text)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Capacity);
        var most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> utf8 = most <= 512 ? stackalloc byte[512] : new byte[most];
        var length = Encoding.UTF8.GetBytes(text, utf8);
        fixed (byte* pointer = utf8)
        {
            NativeMethods.Vectors.DuckDBVectorAssignStringElementLength(Vector(column), (ulong)row, pointer, length);
        }
    }

    public void SetNull(int column, int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Capacity);
        var vector = Vector(column);
        NativeMethods.Vectors.DuckDBVectorEnsureValidityWritable(vector);
        NativeMethods.Vectors.DuckDBVectorGetValidity(vector)[row >> 6] &= ~(1UL << (row & 63));
    }

    /// <summary>Refuses NULL in the first rows of columns.</summary>
    /// <exception cref="DuckDbException">There is one.</exception>
    public void RequireValues(int columns, int rows)
    {
        for (var column = 0; column < columns; column++)
        {
            // without NULL there may be no mask
            var validity = NativeMethods.Vectors.DuckDBVectorGetValidity(Vector(column));
            for (var row = 0; validity is not null && row < rows; row++)
            {
                if ((validity[row >> 6] & (1UL << (row & 63))) == 0) throw new DuckDbException("NULL stands where a value belongs");
            }
        }
    }

    private nint Vector(int column) => NativeMethods.DataChunks.DuckDBDataChunkGetVector(chunk, column);
}
