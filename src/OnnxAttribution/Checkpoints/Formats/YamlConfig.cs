using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>A <c>config.yaml</c> of plain keys: one <c>key: value</c> a line, and lists of <c>- value</c> below their key. That is what
/// circuit-tracer's are; anything else is refused, since a line read otherwise than it is meant would be silent.</summary>
internal static class YamlConfig
{
    private const long MaxBytes = 1 << 20;

    /// <summary>Its keys, for the same strict reading that JSON gets.</summary>
    /// <exception cref="CheckpointException">It cannot be read, or is more than keys and lists; the message says the line.</exception>
    public static ConfigJson Read(string path)
    {
        var values = new JsonObject();
        string? list = null;
        foreach (var (i, line) in Lines(path).Index())
        {
            var text = WithoutComment(line).TrimEnd();
            if (text.Trim().Length == 0 || text == "---") continue;
            var item = text.TrimStart();
            if (item.StartsWith("- ", StringComparison.Ordinal) && list is not null)
            {
                ((JsonArray)values[list]!).Add(Scalar(item[2..].Trim(), path, i));
                continue;
            }
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (item != text || colon <= 0 || (colon + 1 < text.Length && text[colon + 1] != ' '))
            {
                throw Wrong(path, i, "is no 'key: value'");
            }
            var (key, value) = (Unquoted(text[..colon].Trim(), path, i), text[(colon + 1)..].Trim());
            list = value.Length == 0 ? key : null;
            if (!values.TryAdd(key, value.Length == 0 ? new JsonArray() : Scalar(value, path, i)))
            {
                throw Wrong(path, i, $"says {DisplayText.QuotedName(key)} a second time");
            }
        }
        return ConfigJson.Of(path, values);
    }

    private static string[] Lines(string path)
    {
        try
        {
            using var file = RegularFile.OpenRead(path);
            if (file.Length > MaxBytes)
            {
                throw new CheckpointException(path, $"has {file.Length} bytes, too long for a config; check the path.");
            }
            using var reader = new StreamReader(file);
            return reader.ReadToEnd().Split('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {FileFault.Words(e, "check the path")}.", e);
        }
    }

    // a comment begins the line or has a space before it
    private static string WithoutComment(string line)
    {
        var quote = '\0';
        for (var i = 0; i < line.Length; i++)
        {
            if (quote != '\0')
            {
                if (line[i] == quote) quote = '\0';
            }
            else if (line[i] is '"' or '\'')
            {
                quote = line[i];
            }
            else if (line[i] == '#' && (i == 0 || line[i - 1] is ' ' or '\t'))
            {
                return line[..i];
            }
        }
        return line;
    }

    private static JsonNode? Scalar(string text, string path, int line)
    {
        if (text.Length > 0 && text[0] is '[' or '{' or '|' or '>' or '&' or '*' or '!')
        {
            throw Wrong(path, line, "is neither a plain value nor a list of one value a line");
        }
        if (text.Length > 0 && text[0] is '"' or '\'') return Unquoted(text, path, line);
        if (text is "null" or "~" or "Null" or "NULL") return null;
        if (text.ToLowerInvariant() is "true" or "false") return text.ToLowerInvariant() == "true";
        return long.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var n) ? n : text;
    }

    private static string Unquoted(string text, string path, int line)
    {
        if (text.Length == 0 || text[0] is not ('"' or '\'')) return text;
        return text.Length >= 2 && text[^1] == text[0] && !text[1..^1].Contains(text[0]) && !text.Contains('\\', StringComparison.Ordinal)
            ? text[1..^1]
            : throw Wrong(path, line, "has a quoted text that is not read; write it without escapes");
    }

    private static CheckpointException Wrong(string path, int line, string what) =>
        new(path, $"line {line + 1} {what}; only plain keys, values and lists are read.");
}
