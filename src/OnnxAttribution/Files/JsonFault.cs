using System.Globalization;
using System.Text.Json;

namespace OnnxAttribution.Files;

/// <summary>What is wrong with a file that should be JSON, in our words: where it is, and not how the reader is made.</summary>
internal static class JsonFault
{
    /// <param name="why">What System.Text.Json threw, or a <see cref="JsonException"/> of ours, whose message is taken as it is.</param>
    public static string Words(Exception why) => why switch
    {
        JsonException e when e.Message.Contains("missing required properties", StringComparison.Ordinal) => $"it lacks {Listed(e.Message)}",
        JsonException e when e.Message.Contains("could not be converted", StringComparison.Ordinal) || e.Message.Contains("is not nullable",
            StringComparison.Ordinal) || e.Message.Contains("disallow null", StringComparison.Ordinal)
            => $"{Key(e)} is not of the kind that it should be{Place(e)}",
        JsonException e when e.Message.StartsWith("Duplicate property", StringComparison.Ordinal) =>
            $"it has the key '{e.Message.Split('\'') switch { [_, var key, ..] => key, _ => "?" }}' twice",
        JsonException { LineNumber: not null } e => $"it stops being JSON{Place(e)}",
        JsonException e => e.Message.TrimEnd('.'),
        _ => "a text in it is not valid Unicode",   // an escaped half of a surrogate pair, which only shows when the text is asked for
    };

    private static string Key(JsonException e) =>
        e.Path is null or "$" ? "its content" : e.Path.StartsWith("$.", StringComparison.Ordinal) ? e.Path[2..] : e.Path;

    private static string Place(JsonException e) =>
        e.LineNumber is { } line
            ? string.Create(CultureInfo.InvariantCulture, $" at line {line + 1}, byte {(e.BytePositionInLine ?? 0) + 1}")
            : "";

    // the message ends in: including: 'a', 'b'.
    private static string Listed(string message) => message[(message.LastIndexOf(':') + 1)..].Trim().TrimEnd('.');
}
