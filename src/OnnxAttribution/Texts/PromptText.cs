using System.Buffers;
using System.Text;
using System.Text.Unicode;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>The text of a file that somebody has written prompts into, or a template of them: UTF-8, or UTF-16 with its mark.</summary>
internal static class PromptText
{
    /// <summary>All of it.</summary>
    /// <param name="most">Bytes that such a file may have.</param>
    /// <exception cref="PromptException">The file cannot be read, is too large, or is no text in UTF-8.</exception>
    public static string Read(string path, long most) => Text(path, Bytes(path, most));

    private static byte[] Bytes(string path, long most)
    {
        try
        {
            using var file = RegularFile.OpenReadOrGiven(path);
            var bytes = new MemoryStream();
            var piece = new byte[1 << 16];
            for (int read; (read = file.Read(piece)) > 0;)
            {
                bytes.Write(piece, 0, read);
                if (bytes.Length > most)
                {
                    throw new PromptException($"{path} has more than {most} bytes, more than any file of prompts; check the path");
                }
            }
            return bytes.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PromptException(e is FileNotFoundException or DirectoryNotFoundException
                ? $"there is no file {path}; give a JSONL file of prompts"
                : $"{path} cannot be read: {FileFault.Words(e, "check the path")}")
            {
                Settings = [Setting.Prompts]
            };
        }
    }

    // a text in another encoding, read as if it were UTF-8, would be explained with other characters in it
    private static string Text(string path, ReadOnlySpan<byte> bytes)
    {
        if (LfsPointer.Problem(bytes) is { } pointer) throw new PromptException($"{path} {pointer.TrimEnd('.')}");
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..]) return OfUtf16(path, bytes);
        if (bytes is [0xEF, 0xBB, 0xBF, ..]) bytes = bytes[3..];
        var number = 1;
        foreach (var range in bytes.Split((byte)'\n'))
        {
            var line = bytes[range];
            if (line.Contains((byte)0))
            {
                throw new PromptException(
                    $"{path}, line {number} has NUL bytes, so it is UTF-16 without its mark, or no text; save it as UTF-8");
            }
            if (!Utf8.IsValid(line))
            {
                throw new PromptException($"{path}, line {number} is no text in UTF-8 ({FirstWrong(line)}); convert it, as with: "
                    + $"iconv -f WINDOWS-1252 -t UTF-8 {Path.GetFileName(path)}");
            }
            number++;
        }
        return Encoding.UTF8.GetString(bytes);
    }

    private static string FirstWrong(ReadOnlySpan<byte> line)
    {
        for (var at = 0; ;)
        {
            if (Rune.DecodeFromUtf8(line[at..], out _, out var length) != OperationStatus.Done) return $"byte 0x{line[at]:X2} at {at + 1}";
            at += length;
        }
    }

    // what PowerShell redirects, and Windows' editors call Unicode
    private static string OfUtf16(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            return new UnicodeEncoding(bigEndian: bytes[0] == 0xFE, byteOrderMark: false, throwOnInvalidBytes: true).GetString(bytes[2..]);
        }
        catch (DecoderFallbackException)
        {
            throw new PromptException($"{path} begins as UTF-16 does and is none; save it as UTF-8");
        }
    }
}
