using System.IO.Hashing;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bundles;

/// <summary>A fast look at what a file holds: whether it is still the one that was exported, in a millisecond for gigabytes.</summary>
/// <remarks>
/// XxHash128 over the length and 64 blocks of 16 KiB at equal distances, the first at the file's beginning and the last at its end; over
/// all of a graph, a text or a file of a MiB or less. Another checkpoint's or another training's weights differ everywhere. What changes a
/// few bytes between two blocks only <c>export --verify</c> finds, by SHA-256.
/// </remarks>
internal static class FileSample
{
    private const int Blocks = 64, BlockSize = 16 << 10, Piece = 1 << 20;

    private static readonly string[] s_readWhole = [".json", ".txt", ".onnx"];

    /// <returns>32 hexadecimal digits.</returns>
    public static string Of(string path)
    {
        using var file = RegularFile.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        var hash = new XxHash128();
        hash.Append(
            BitConverter.GetBytes(BitConverter.IsLittleEndian ? length : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(length)));
        var whole = length <= Blocks * BlockSize || s_readWhole.Contains(Path.GetExtension(path));
        var buffer = new byte[(int)Math.Min(length, whole ? Piece : BlockSize)];
        if (whole)
        {
            for (var at = 0L; at < length; at += buffer.Length) Append(at, (int)Math.Min(buffer.Length, length - at));
        }
        else
        {
            for (var block = 0L; block < Blocks; block++) Append((length - BlockSize) * block / (Blocks - 1), BlockSize);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());

        void Append(long at, int count)
        {
            for (var done = 0; done < count;)
            {
                var read = RandomAccess.Read(file, buffer.AsSpan(done, count - done), at + done);
                if (read == 0) throw new EndOfStreamException($"{path} became shorter while it was read");
                done += read;
            }
            hash.Append(buffer.AsSpan(0, count));
        }
    }
}
