using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary>A VARCHAR as DuckDB holds it: up to 12 bytes lie in it, of more there is a pointer.</summary>
/// <remarks>DuckDB's <c>duckdb_string_t</c>.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct DuckDbText
{
    private const int MostWithin = 12;

    [FieldOffset(0)] private readonly uint _length;
    [FieldOffset(4)] private fixed byte _within[MostWithin];
    [FieldOffset(8)] private readonly byte* _pointer;

    /// <summary>The text as UTF-8, valid as long as the chunk.</summary>
    /// <param name="text">Where it lies in DuckDB's memory.</param>
    public static ReadOnlySpan<byte> Utf8(ref readonly DuckDbText text) => text._length > MostWithin
        ? new ReadOnlySpan<byte>(text._pointer, (int)text._length)
        : MemoryMarshal.CreateReadOnlySpan(in text._within[0], (int)text._length);
}
