using System.Text;

namespace OnnxAttribution.Store;

/// <summary>The columns of a chunk that is being filled, <see cref="Capacity"/> rows at most. Valid during one call of <see cref="DuckDbFill"/>.</summary>
internal readonly unsafe struct DuckDbVectors(nint chunk)
{
    /// <summary>Rows in a chunk, DuckDB's own constant.</summary>
    public const int Capacity = 2048;

    /// <summary>The memory of a column, for values of <typeparamref name="T"/>, which must be the type the column is stored as.</summary>
    public Span<T> Column<T>(int column) where T : unmanaged => new(DuckDbNative.VectorData(Vector(column)), Capacity);

    /// <summary>Puts a text, copied, into a VARCHAR column. Unpaired surrogates become U+FFFD.</summary>
    public void SetText(int column, int row, string text)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Capacity);
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> utf8 = most <= 512 ? stackalloc byte[512] : new byte[most];
        int length = Encoding.UTF8.GetBytes(text, utf8);
        fixed (byte* pointer = utf8)
            DuckDbNative.AssignString(Vector(column), (ulong)row, pointer, (ulong)length);
    }

    public void SetNull(int column, int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Capacity);
        nint vector = Vector(column);
        DuckDbNative.EnsureValidity(vector);
        DuckDbNative.VectorValidity(vector)[row >> 6] &= ~(1UL << (row & 63));
    }

    private nint Vector(int column) => DuckDbNative.ChunkVector(chunk, (ulong)column);
}
