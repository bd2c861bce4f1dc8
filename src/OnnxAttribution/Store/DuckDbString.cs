using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary><c>duckdb_string_t</c> of duckdb.h, 16 bytes: up to 12 bytes of UTF-8 lie inside, longer text behind a pointer.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct DuckDbString
{
    private const uint InlineLength = 12;

    [FieldOffset(0)] private readonly uint _length;
    [FieldOffset(4)] private fixed byte _inlined[12];
    [FieldOffset(8)] private readonly byte* _pointer;

    /// <summary>The text as UTF-8, in DuckDB's memory: valid as long as the chunk that <paramref name="text"/> points into.</summary>
    public static ReadOnlySpan<byte> Utf8(DuckDbString* text) =>
        new(text->_length <= InlineLength ? text->_inlined : text->_pointer, checked((int)text->_length));
}
