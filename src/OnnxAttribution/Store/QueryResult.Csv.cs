using System.Buffers;
using System.Text;

namespace OnnxAttribution.Store;

public sealed partial class QueryResult
{
    private const int FlushAt = 1 << 16;
    private static readonly SearchValues<char> NeedQuotes = SearchValues.Create("\",\r\n");

    /// <summary>Writes all rows as CSV (RFC 4180): a header, CRLF at line ends, quotes where needed, UTF-8 without a mark. NULL is an empty
    /// field and an empty text is <c>""</c>.</summary>
    /// <param name="stream">Stays open.</param>
    /// <param name="cancel">Stops the writing after some rows.</param>
    /// <inheritdoc cref="Rows" path="/exception"/>
    public void WriteCsv(Stream stream, CancellationToken cancel = default)
    {
        var buffer = new ArrayBufferWriter<byte>(2 * FlushAt);
        for (var column = 0; column < Columns.Count; column++) WriteCell(buffer, column, Columns[column].Name);
        buffer.Write("\r\n"u8);
        foreach (var row in Rows(cancel))
        {
            for (var column = 0; column < row.Length; column++) WriteCell(buffer, column, row[column]);
            buffer.Write("\r\n"u8);
            Drain(buffer, stream, FlushAt);
        }
        Drain(buffer, stream, 0);
        stream.Flush();
    }

    private static void WriteCell(ArrayBufferWriter<byte> buffer, int column, string? text)
    {
        if (column > 0) buffer.Write(","u8);
        if (text is null) return;
        var quoted = text.Length == 0 || text.AsSpan().IndexOfAny(NeedQuotes) >= 0;
        Encoding.UTF8.GetBytes(quoted ? $"\"{text.Replace("\"", "\"\"")}\"" : text, buffer);
    }

    private static void Drain(ArrayBufferWriter<byte> buffer, Stream stream, int above)
    {
        if (buffer.WrittenCount <= above) return;
        stream.Write(buffer.WrittenSpan);
        buffer.ResetWrittenCount();
    }
}
