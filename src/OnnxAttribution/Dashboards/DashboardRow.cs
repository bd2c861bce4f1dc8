using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>A dashboard as a row of <c>features.parquet</c>: the columns, and the cells there and back.</summary>
internal static class DashboardRow
{
    /// <summary>Whether the feature is active on no token.</summary>
    public static NestedColumn Dead { get; } = new("dead", "BOOLEAN", "active on no token of the text");

    /// <summary>Nested columns are plain Parquet lists and structs.</summary>
    public static IReadOnlyList<NestedColumn> Columns { get; } =
    [
        new("site", "VARCHAR", "hook name"),
        new("layer", "INTEGER", "the number in it"),
        new("kind", "VARCHAR", "as in nodes"),
        new("feature", "INTEGER", "the feature"),
        Dead,
        new("firing_rate", "DOUBLE", "share of tokens it is active on, BOS not counted"),
        new("mean_activation", "FLOAT", "where it is active"),
        new("max_activation", "FLOAT", "the largest"),
        new("histogram", "BIGINT[]", "counts of activations, from 0 to the largest"),
        new("contexts", "STRUCT(quantile INTEGER, peak INTEGER, tokens VARCHAR[], activations FLOAT[])[]",
            "stretches of the text, see below"),
        new("promoted", "STRUCT(token VARCHAR, logit FLOAT)[]", "logit per unit of activation, the vocabulary's mean taken away"),
        new("suppressed", "STRUCT(token VARCHAR, logit FLOAT)[]", "likewise"),
        new("nearest", "STRUCT(feature INTEGER, cosine FLOAT)[]", "cosine of decoder rows, within the dictionary"),
    ];

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string?[] Cells(FeatureDashboard f)
    {
        var site = Site.Parse(f.Site);
        return
        [
            f.Site, Text(site.Layer), site.KindName, Text(f.Feature), f.IsDead ? "true" : "false", Text(f.FiringRate),
            Text(f.MeanActivation), Text(f.MaxActivation), Json(f.Histogram, (w, count) => w.WriteNumberValue(count)),
            Json(f.Contexts, Write), Json(f.Promoted, Write), Json(f.Suppressed, Write), Json(f.Nearest, Write),
        ];
    }

    /// <exception cref="FormatException">A cell is not what <see cref="Cells"/> makes.</exception>
    public static FeatureDashboard Parse(string?[] cells)
    {
        try
        {
            return new FeatureDashboard(cells[0]!, Int(cells[3]!), double.Parse(cells[5]!, CultureInfo.InvariantCulture), Float(cells[6]!),
                Float(cells[7]!), List(cells[8], e => e.GetInt64()),
                List(cells[9], e => new FeatureContext(e.GetProperty("quantile").GetInt32(), e.GetProperty("peak").GetInt32(),
                        [.. e.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)],
                        [.. e.GetProperty("activations").EnumerateArray().Select(a => a.GetSingle())])),
                List(cells[10], Logit), List(cells[11], Logit),
                List(cells[12], e => new NearFeature(e.GetProperty("feature").GetInt32(), e.GetProperty("cosine").GetSingle())));
        }
        catch (Exception e) when (e is ArgumentNullException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException("a row is not complete", e);
        }
    }

    private static TokenLogit Logit(JsonElement e) => new(e.GetProperty("token").GetString()!, e.GetProperty("logit").GetSingle());

    private static void Write(Utf8JsonWriter w, FeatureContext c)
    {
        w.WriteStartObject();
        w.WriteNumber("quantile", c.Quantile);
        w.WriteNumber("peak", c.Peak);
        w.WriteStartArray("tokens");
        foreach (var t in c.Tokens) w.WriteStringValue(t);
        w.WriteEndArray();
        w.WriteStartArray("activations");
        foreach (var a in c.Activations) w.WriteNumberValue(a);
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter w, TokenLogit t)
    {
        w.WriteStartObject();
        w.WriteString("token", t.Token);
        w.WriteNumber("logit", t.Logit);
        w.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter w, NearFeature n)
    {
        w.WriteStartObject();
        w.WriteNumber("feature", n.Feature);
        w.WriteNumber("cosine", n.Cosine);
        w.WriteEndObject();
    }

    private static string Json<T>(IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var w = new Utf8JsonWriter(buffer, s_json))
        {
            w.WriteStartArray();
            foreach (var item in items) write(w, item);
            w.WriteEndArray();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static T[] List<T>(string? json, Func<JsonElement, T> of)
    {
        if (json is null) return [];
        using var document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateArray().Select(of)];
    }

    private static string Text<T>(T number) where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);

    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static float Float(string text) => float.Parse(text, CultureInfo.InvariantCulture);
}
