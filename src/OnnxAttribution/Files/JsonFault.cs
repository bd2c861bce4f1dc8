using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OnnxAttribution.Files;

/// <summary>What is wrong with a file that should be JSON, in our words: where it is, and not how the reader is made.</summary>
internal static class JsonFault
{
    private const string Cut = "...";

    /// <param name="why">What System.Text.Json threw, or a <see cref="JsonException"/> of ours, whose message is taken as it is.</param>
    public static string Words(Exception why) => why switch
    {
        JsonException e when e.Message.Contains("missing required properties", StringComparison.Ordinal) => $"it lacks {Listed(e.Message)}",
        JsonException e when IsOfAnotherKind(e.Message) => $"{Key(e)} is not of the kind that it should be{Place(e)}",
        JsonException e when IsTwice(e) => e.Message.Split('\'') is [_, var key, ..]
            ? key.EndsWith(Cut, StringComparison.Ordinal) ? $"it has a key twice that begins with '{key[..^Cut.Length]}'"
                : $"it has the key '{key}' twice"
            : "it has a key twice",
        JsonException e when IsTooDeep(e) => $"it has lists or objects within each other, deeper than anything that is read{Place(e)}",
        JsonException { LineNumber: not null } e => $"it stops being JSON{Place(e)}",
        JsonException e => e.Message.TrimEnd('.'),
        _ => NoUnicode,   // an escaped half of a surrogate pair, which only shows when the text is asked for
    };

    /// <summary>Of a text with half a surrogate pair.</summary>
    public const string NoUnicode = "a text in it is not valid Unicode";

    /// <summary>Whether an object has a key twice, where the reader was told to refuse that.</summary>
    public static bool IsTwice(JsonException e) => e.Message.StartsWith("Duplicate property", StringComparison.Ordinal);

    /// <summary>Whether lists and objects are nested deeper than is read.</summary>
    public static bool IsTooDeep(JsonException e) => e.Message.Contains("maximum configured depth", StringComparison.Ordinal);

    /// <summary>The first key that an object has twice, with the keys above it and dots between;
    /// null where there is none. What System.Text.Json says of it is cut.</summary>
    public static string? KeyTwice(string json)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json));
        var above = new Stack<(string Path, HashSet<string> Keys)>();
        var path = "";
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    above.Push((path, []));
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    path = above.Pop().Path;
                    break;
                case JsonTokenType.PropertyName:
                    var (outer, keys) = above.Peek();
                    var key = reader.GetString()!;
                    path = outer.Length == 0 ? key : $"{outer}.{key}";
                    if (!keys.Add(key)) return path;
                    break;
            }
        }
        return null;
    }

    private static bool IsOfAnotherKind(string message) => message.Contains("could not be converted", StringComparison.Ordinal)
        || message.Contains("is not nullable", StringComparison.Ordinal) || message.Contains("disallow null", StringComparison.Ordinal)
        || message.Contains("doesn't allow", StringComparison.Ordinal);

    private static string Key(JsonException e) =>
        e.Path is null or "$" ? "its content" : e.Path.StartsWith("$.", StringComparison.Ordinal) ? e.Path[2..] : e.Path;

    private static string Place(JsonException e) =>
        e.LineNumber is { } line
            ? string.Create(CultureInfo.InvariantCulture, $" at line {line + 1}, byte {(e.BytePositionInLine ?? 0) + 1}")
            : "";

    // the message ends in: including: 'a', 'b'.
    private static string Listed(string message) => message[(message.LastIndexOf(':') + 1)..].Trim().TrimEnd('.');
}
