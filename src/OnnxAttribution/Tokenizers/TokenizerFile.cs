using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>Reads one of a tokenizer's files.</summary>
internal static class TokenizerFile
{
    /// <summary>More than any: a vocabulary of 256,000 tokens with its merges has 35 MB.</summary>
    private const long MostBytes = 256 << 20;

    /// <summary>The bytes of a text, without a byte order mark.</summary>
    /// <param name="fix">What to do where there is no such file.</param>
    /// <exception cref="TokenizerException">It is missing, unreadable, too large or no text.</exception>
    public static byte[] Read(string path, string fix)
    {
        byte[] bytes;
        try
        {
            using var file = RegularFile.OpenRead(path);
            if (file.Length > MostBytes)
            {
                throw new TokenizerException(path, $"has {file.Length} bytes, more than any tokenizer ({MostBytes}); check the path.");
            }
            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TokenizerException(path, $"there is no such file; {fix}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TokenizerException(path, $"cannot be read: {FileFault.Words(e, "check the path")}.", e);
        }
        if (LfsPointer.Problem(bytes) is { } pointer) throw new TokenizerException(path, pointer);
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
        {
            throw new TokenizerException(path, "is text in UTF-16, as Windows programs write it; save it as UTF-8.");
        }
        if (bytes is [0xEF, 0xBB, 0xBF, ..]) bytes = bytes[3..];
        return bytes.Length > 0 && Utf8.IsValid(bytes) && !bytes.Contains((byte)0) ? bytes
            : throw new TokenizerException(path, "is not text in UTF-8; download it again.");
    }

    /// <summary>A JSON object; who reads it disposes it. null: there is no such file.</summary>
    /// <exception cref="TokenizerException">It is unreadable or no JSON object.</exception>
    public static JsonDocument? ReadJson(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            var document = PythonJson.Parse(Read(path, "look for it"));
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
            throw new TokenizerException(path, "is no JSON object; download it again.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: an escaped lone surrogate
        {
            throw new TokenizerException(path, $"is no JSON ({JsonFault.Words(e)}); download it again.", e);
        }
    }

    /// <summary>The text of a JSON string.</summary>
    /// <exception cref="TokenizerException">It holds half of a surrogate pair.</exception>
    public static string Text(string path, string name, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new TokenizerException(path, $"has {name}, which is not valid Unicode; download it again.", e);
        }
    }

    public static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
