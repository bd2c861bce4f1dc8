using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>Prompts in a JSONL file: one object a line, with <c>prompt</c> and optional <c>target</c>,
/// <c>foil</c>, <c>patch_prompt</c>, <c>id</c>.</summary>
internal static class PromptFile
{
    /// <summary>The name of the directory that the merged graph is in, which no line may have as its id.</summary>
    public const string MergedId = "merged";

    private const long MostBytes = 256 << 20;

    private static readonly string[] s_names = ["prompt", "target", "foil", "patch_prompt", "id"];

    /// <summary>All lines that are not blank.</summary>
    /// <returns>Line number from 1, and either what it asks for (with an id:
    /// the line number where it gives none) or what is wrong with it.</returns>
    /// <exception cref="PromptException">The file cannot be read, is no text in UTF-8, or has no line.</exception>
    public static IReadOnlyList<(int Line, PromptTask? Task, string? Error)> Read(string path)
    {
        var result = new List<(int, PromptTask?, string?)>();
        var ids = new Dictionary<string, int>();
        var number = 0;
        foreach (var line in Lines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                var task = Parse(line, number);
                if (!ids.TryAdd(task.Id!, number))
                {
                    throw new PromptException($"its id '{task.Id}' is also line {ids[task.Id!]}'s; ids must differ");
                }
                result.Add((number, task, null));
            }
            catch (Exception e) when (e is PromptException or JsonException or InvalidOperationException)
            {
                result.Add((number, null, e is PromptException ? e.Message : Problem(line, e)));
            }
        }
        return result.Count > 0 ? result : throw new PromptException(
            $"{path} holds no prompt; write one JSON object per line, such as {{\"prompt\": \"Copyright (C\"}}");
    }

    private static string Problem(string line, Exception why)
    {
        try
        {
            PythonJson.Parse(Encoding.UTF8.GetBytes(line)).Dispose();
            return "it has NaN or Infinity, as Python writes them, which are no text; write null, or leave the key out";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return $"it is no JSON object ({JsonFault.Words(why)}); write one object per line, with \"prompt\"";
        }
    }

    private static string[] Lines(string path) => Text(path, Bytes(path)).Split(["\r\n", "\n", "\r"], StringSplitOptions.None);

    private static byte[] Bytes(string path)
    {
        try
        {
            using var file = RegularFile.OpenReadOrGiven(path);
            var bytes = new MemoryStream();
            var piece = new byte[1 << 16];
            for (int read; (read = file.Read(piece)) > 0; bytes.Write(piece, 0, read))
            {
                if (bytes.Length > MostBytes)
                {
                    throw new PromptException($"{path} has more than {MostBytes} bytes, more than any file of prompts; check the path");
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
                    + $"iconv -f WINDOWS-1252 -t UTF-8 {System.IO.Path.GetFileName(path)}");
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

    private static PromptTask Parse(string line, int number)
    {
        using var json = JsonDocument.Parse(line);
        var root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new PromptException("it is no JSON object; write one object per line, with \"prompt\"");
        }
        foreach (var property in root.EnumerateObject())
        {
            var name = Unicode("a key", () => property.Name);
            if (!s_names.Contains(name))
            {
                throw new PromptException(
                    $"it has \"{DisplayText.OneLine(name)}\", which means nothing here; a line takes {string.Join(", ", s_names)}");
            }
        }
        var prompt = Text(root, "prompt") ?? throw new PromptException("it has no \"prompt\"");
        return new PromptTask(prompt, Text(root, "target"), Text(root, "foil"), Text(root, "patch_prompt"),
            CheckedId(Id(root) ?? $"{number}"));
    }

    private static string? Text(JsonElement root, string name) =>
        !root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
            : value.ValueKind == JsonValueKind.String ? Unicode($"its \"{name}\"", value.GetString)
            : throw new PromptException($"its \"{name}\" is no string");

    private static T Unicode<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)   // JSON may write halves of characters, which no text has
        {
            throw new PromptException($"{what} has half of a character (a lone surrogate, such as \\ud83d without the \\ude00 behind it); "
                + "write the whole character");
        }
    }

    private static string? Id(JsonElement root) =>
        root.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.Number ? id.GetRawText() : Text(root, "id");

    // it becomes the name of a directory
    private static string CheckedId(string id) =>
        id.Length is 0 or > 100 || id[0] == '.' || DisplayText.OneLine(id) != id || id.AsSpan().ContainsAny("/\\:*?\"<>|")
            ? throw new PromptException($"its id {DisplayText.Quoted(id)} cannot name a directory; use letters, digits, '-', '_' and '.'")
        : id.Equals(MergedId, StringComparison.OrdinalIgnoreCase)
            ? throw new PromptException($"its id is '{id}', which is the merged graph's; choose another")
        : id;
}
