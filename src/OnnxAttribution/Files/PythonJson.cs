using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace OnnxAttribution.Files;

/// <summary>
/// JSON as Python's <c>json</c> writes and reads it, which strict JSON is not: a byte order mark in front, <c>NaN</c>, <c>Infinity</c> and
/// <c>-Infinity</c> as values, and a key that is there twice, the last of which counts. The three numbers become strings of these names (as
/// System.Text.Json's own named literals are), so that who asks for a number refuses them by name and who does not ask never sees them.
/// </summary>
/// <remarks>Strict JSON costs nothing more: it is read again only where it was refused.</remarks>
internal static class PythonJson
{
    private static readonly SearchValues<byte> s_outside = SearchValues.Create("\"NI"u8), s_inside = SearchValues.Create("\"\\"u8);

    /// <param name="text">The whole file. The document keeps it.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="JsonException">It is not JSON even so; the message has no path.</exception>
    /// <exception cref="InvalidOperationException">A key has an escaped lone surrogate.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        if (text.Span.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || text.Span.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
        {
            throw new JsonException("it is text in UTF-16; save it as UTF-8");
        }
        if (!Utf8.IsValid(text.Span)) throw new JsonException("it is no text in UTF-8");   // else it shows only when a name is asked for
        if (text.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) text = text[3..];
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            using var tolerated = JsonDocument.Parse(WithNamedNumbers(text));   // throws where that was not it
            var buffer = new ArrayBufferWriter<byte>(text.Length);
            using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
            {
                WithLastOfEach(tolerated.RootElement, writer);
            }
            return JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
    }

    private static ReadOnlyMemory<byte> WithNamedNumbers(ReadOnlyMemory<byte> text)
    {
        var rest = text.Span;
        ArrayBufferWriter<byte>? result = null;
        for (var at = 0; ;)
        {
            var next = rest[at..].IndexOfAny(s_outside);
            if (next < 0)
            {
                if (result is null) return text;
                result.Write(rest);
                return result.WrittenMemory;
            }
            at += next;
            if (rest[at] == '"')
            {
                at = AfterString(rest, at + 1);
                continue;
            }
            var name = rest[at..].StartsWith("NaN"u8) ? "NaN"u8 : rest[at..].StartsWith("Infinity"u8) ? "Infinity"u8 : default;
            if (name.IsEmpty)
            {
                at++;
                continue;
            }
            var from = name[0] == 'I' && at > 0 && rest[at - 1] == '-' ? at - 1 : at;
            result ??= new ArrayBufferWriter<byte>(text.Length + 64);
            result.Write(rest[..from]);
            result.Write("\""u8);
            result.Write(rest[from..(at + name.Length)]);
            result.Write("\""u8);
            rest = rest[(at + name.Length)..];
            at = 0;
        }
    }

    private static int AfterString(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length)
        {
            var next = text[at..].IndexOfAny(s_inside);
            if (next < 0) break;
            at += next;
            if (text[at] == '"') return at + 1;
            at += 2;
        }
        return text.Length;
    }

    private static void WithLastOfEach(JsonElement element, Utf8JsonWriter writer)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var last = new OrderedDictionary<string, JsonElement>();
                foreach (var property in element.EnumerateObject()) last[property.Name] = property.Value;
                writer.WriteStartObject();
                foreach (var (name, value) in last)
                {
                    writer.WritePropertyName(name);
                    WithLastOfEach(value, writer);
                }
                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray()) WithLastOfEach(item, writer);
                writer.WriteEndArray();
                break;
            default:
                writer.WriteRawValue(element.GetRawText(), skipInputValidation: true);
                break;
        }
    }
}
