using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.View.Page;

/// <summary>How the page's data are written, made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(FiveDigits), typeof(TextPairs), typeof(TextsAndNumbers), typeof(NumberPairs)])]
[JsonSerializable(typeof(PageContent))]
internal sealed partial class PageJson : JsonSerializerContext;

/// <summary>Writes only: the page's script reads.</summary>
internal abstract class PageConverter<T> : JsonConverter<T>
{
    public sealed override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("what a page holds is read by its script alone");
}

/// <summary>Five digits: nobody reads more off a picture, and the Parquet has them. Null for what is no number.</summary>
internal sealed class FiveDigits : PageConverter<double>
{
    public static void WriteTo(Utf8JsonWriter writer, double value)
    {
        if (double.IsFinite(value)) writer.WriteRawValue(value.ToString("G5", CultureInfo.InvariantCulture), skipInputValidation: true);
        else writer.WriteNullValue();
    }

    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) => WriteTo(writer, value);
}

/// <summary><c>["a", "b"]</c>.</summary>
internal sealed class TextPairs : PageConverter<TextPair>
{
    public override void Write(Utf8JsonWriter writer, TextPair value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteStringValue(value.First);
        writer.WriteStringValue(value.Second);
        writer.WriteEndArray();
    }
}

/// <summary><c>["a", 1.5]</c>.</summary>
internal sealed class TextsAndNumbers : PageConverter<TextAndNumber>
{
    public override void Write(Utf8JsonWriter writer, TextAndNumber value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteStringValue(value.Text);
        FiveDigits.WriteTo(writer, value.Number);
        writer.WriteEndArray();
    }
}

/// <summary><c>[1, 1.5]</c>.</summary>
internal sealed class NumberPairs : PageConverter<NumberPair>
{
    public override void Write(Utf8JsonWriter writer, NumberPair value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(value.First);
        FiveDigits.WriteTo(writer, value.Second);
        writer.WriteEndArray();
    }
}
