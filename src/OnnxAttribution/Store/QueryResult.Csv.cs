using System.Buffers;
using System.Text;

namespace OnnxAttribution.Store;

public sealed partial class QueryResult
{
    private const int FlushAt = 1 << 16;
    private static readonly SearchValues<byte> NeedQuotes = SearchValues.Create("\",\r\n"u8);

    /// <summary>Writes all rows as CSV (RFC 4180): a header, CRLF at line ends, quotes where needed, UTF-8 without a mark. NULL is an empty
    /// field and an empty text is <c>""</c>.</summary>
    /// <param name="stream">Stays open.</param>
    /// <param name="cancellation">Stops the writing after some rows.</param>
    /// <inheritdoc cref="Rows" path="/exception"/>
    public void WriteCsv(Stream stream, CancellationToken cancellation = default)
    {
        var buffer = new ArrayBufferWriter<byte>(2 * FlushAt);
        for (int column = 0; column < Columns.Count; column++)
            WriteCell(buffer, column, Encoding.UTF8.GetBytes(Columns[column].Name), isNull: false);
        buffer.Write("\r\n"u8);
        while (Next(cancellation) is { } fetched)
        {
            using var chunk = fetched;
            for (int row = 0; row < chunk.Rows; row++)
            {
                for (int column = 0; column < Columns.Count; column++)
                {
                    bool isNull = chunk.IsNull(column, row);
                    WriteCell(buffer, column, isNull ? default : chunk.Utf8(column, row), isNull);
                }
                buffer.Write("\r\n"u8);
                Drain(buffer, stream, FlushAt);
            }
        }
        Drain(buffer, stream, 0);
        stream.Flush();
    }

    private static void WriteCell(ArrayBufferWriter<byte> buffer, int column, ReadOnlySpan<byte> text, bool isNull)
    {
        if (column > 0)
            buffer.Write(","u8);
        if (isNull)
            return;
        if (text.Length > 0 && text.IndexOfAny(NeedQuotes) < 0)
        {
            buffer.Write(text);
            return;
        }
        buffer.Write("\""u8);
        for (int quote; (quote = text.IndexOf((byte)'"')) >= 0; text = text[(quote + 1)..])
        {
            buffer.Write(text[..(quote + 1)]);
            buffer.Write("\""u8);
        }
        buffer.Write(text);
        buffer.Write("\""u8);
    }

    private static void Drain(ArrayBufferWriter<byte> buffer, Stream stream, int above)
    {
        if (buffer.WrittenCount <= above)
            return;
        stream.Write(buffer.WrittenSpan);
        buffer.ResetWrittenCount();
    }
}
