using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>An open text in UTF-8, plain or gzip, read once from its beginning. Owns the file; who opens one disposes it.</summary>
internal sealed class TextFileReader : IDisposable
{
    private const int BufferSize = 1 << 16;

    private readonly TextFile _source;
    private readonly FileStream _file;
    private readonly StreamReader _reader;

    /// <exception cref="TextException">The file cannot be read.</exception>
    public TextFileReader(TextFile source)
    {
        _source = source;
        try
        {
            _file = RegularFile.OpenRead(source.Path, BufferSize, options: FileOptions.SequentialScan);
            Span<byte> magic = stackalloc byte[2];
            var isGzip = _file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1f, 0x8b];
            _file.Position = 0;
            var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
            _reader = new StreamReader(isGzip ? new CheckedGzipStream(_file) : _file, utf8, detectEncodingFromByteOrderMarks: true,
                BufferSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw source.Unreadable(e);
        }
    }

    /// <summary>Bytes of the file that have been read, in advance of what was handed out.</summary>
    public long BytesRead => _file.Position;

    /// <summary>As many characters as there are, or as fit.</summary>
    /// <exception cref="TextException">The file is damaged, no UTF-8, or holds what no text does.</exception>
    public int Read(Span<char> buffer)
    {
        try
        {
            var n = _reader.ReadBlock(buffer);
            if (buffer[..n].Contains('\0'))
            {
                throw new TextException($"{_source.Path} holds NUL characters, so it is no text; name another file");
            }
            return n;
        }
        catch (Exception e) when (e is DecoderFallbackException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw _source.Unreadable(e);
        }
    }

    public void Dispose() => _reader.Dispose();
}
