using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OnnxAttribution.Store;

public sealed partial class QueryResult
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes all rows as a JSON array of objects, one object per line. Numbers are numbers; NULL, NaN and infinities are null;
    /// lists, structs and maps are JSON. A second column of the same name gets <c>_1</c>, a third <c>_2</c>.</summary>
    /// <param name="stream">Stays open.</param>
    /// <param name="cancel">Stops the writing after some rows.</param>
    /// <inheritdoc cref="Rows" path="/exception"/>
    public void WriteJson(Stream stream, CancellationToken cancel = default)
    {
        var buffer = new ArrayBufferWriter<byte>(2 * FlushAt);
        using var json = new Utf8JsonWriter(buffer, Compact);
        var names = UniqueNames();
        var separator = "[";
        foreach (var row in Rows(cancel))
        {
            buffer.Write(separator == "[" ? "[\n"u8 : ",\n"u8);
            WriteObject(json, names, row);
            Drain(buffer, stream, FlushAt);
            separator = ",";
        }
        buffer.Write(separator == "[" ? "[]\n"u8 : "\n]\n"u8);
        Drain(buffer, stream, 0);
        stream.Flush();
    }

    private void WriteObject(Utf8JsonWriter json, JsonEncodedText[] names, string?[] row)
    {
        json.Reset();
        json.WriteStartObject();
        for (var column = 0; column < names.Length; column++)
        {
            json.WritePropertyName(names[column]);
            if (row[column] is { } text) WriteValue(json, Columns[column], text);
            else json.WriteNullValue();
        }
        json.WriteEndObject();
        json.Flush();
    }

    private static void WriteValue(Utf8JsonWriter json, QueryColumn column, string text)
    {
        var asItIs = column.IsNumber || column.IsBoolean || (column.IsJson && IsJson(text));
        if (column.IsNumber && text is ("nan" or "inf" or "-inf")) json.WriteNullValue();
        else if (asItIs) json.WriteRawValue(text, skipInputValidation: true);
        else json.WriteStringValue(text);
    }

    /// <summary>DuckDB prints NaN inside a list as NaN, which is no JSON: such a value stays a string.</summary>
    private static bool IsJson(string text)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(text));
        try
        {
            while (reader.Read())
            {
            }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private JsonEncodedText[] UniqueNames()
    {
        var taken = new HashSet<string>();
        return [.. Columns.Select(column =>
        {
            var name = column.Name;
            for (var copy = 1; !taken.Add(name); copy++) name = $"{column.Name}_{copy}";
            return JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        })];
    }
}
