using System.Text;

namespace OnnxAttribution.Texts;

/// <summary>An open text, read once from its beginning. Owns the file; who opens one disposes it.</summary>
internal sealed class TextFileReader(TextFile source, FileStream file, StreamReader reader) : IDisposable
{
    /// <summary>Bytes of the file that have been read, in advance of what was handed out.</summary>
    public long BytesRead => file.Position;

    /// <summary>As many characters as there are, or as fit.</summary>
    /// <exception cref="TextException">The file is damaged, no UTF-8, or holds what no text does.</exception>
    public int Read(Span<char> buffer)
    {
        try
        {
            var n = reader.ReadBlock(buffer);
            if (buffer[..n].Contains('\0'))
            {
                throw new TextException($"{source.Path} holds NUL characters, so it is no text; name another file");
            }
            return n;
        }
        catch (Exception e) when (e is DecoderFallbackException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw source.Unreadable(e);
        }
    }

    public void Dispose() => reader.Dispose();
}
