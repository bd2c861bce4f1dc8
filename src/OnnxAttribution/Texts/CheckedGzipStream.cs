using System.Buffers.Binary;
using System.IO.Compression;

namespace OnnxAttribution.Texts;

/// <summary>A gzip file's content, which at its end is compared with the length that the file's last four bytes give:
/// what was cut off would else end early without a word. Owns the file.</summary>
internal sealed class CheckedGzipStream(FileStream file) : Stream
{
    private readonly GZipStream _gzip = new(file, CompressionMode.Decompress);
    private readonly uint _expected = LengthIn(file);
    private uint _length;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <exception cref="InvalidDataException">The data are broken or end too early.</exception>
    public override int Read(Span<byte> buffer)
    {
        var n = _gzip.Read(buffer);
        _length += (uint)n;
        return n > 0 || buffer.IsEmpty || _length == _expected
            ? n
            : throw new InvalidDataException("the content has another length than the file says");
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _gzip.Dispose();
        base.Dispose(disposing);
    }

    private static uint LengthIn(FileStream file)
    {
        Span<byte> last = stackalloc byte[4];
        file.Position = Math.Max(0, file.Length - last.Length);
        file.ReadAtLeast(last, last.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return BinaryPrimitives.ReadUInt32LittleEndian(last);
    }
}
