using System.Text.Encodings.Web;
using System.Text.Json;

namespace OnnxAttribution.Dashboards;

/// <summary>What a pack holds.</summary>
/// <param name="Features">Lines written.</param>
/// <param name="LeftOut">Features that are dead on the text, or have too few contexts.</param>
internal sealed record ExplainSummary(int Features, int LeftOut);

/// <summary>JSON lines for a language model to explain features by, one a feature: contexts with activations from 0 to 10, the
/// tokens that it promotes, and held-out contexts without activations, for which the model predicts them.</summary>
internal static class ExplainPack
{
    private const int Promoted = 10;

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="shown">Contexts of a feature to show, at most.</param>
    /// <param name="output">Stays the caller's.</param>
    /// <exception cref="Store.RunDirectoryException">The table is damaged.</exception>
    public static ExplainSummary Write(FeatureTable table, IReadOnlyCollection<string>? sites, int shown, Stream output,
        CancellationToken cancel)
    {
        var (written, leftOut) = (0, 0);
        using var json = new Utf8JsonWriter(output, s_json);
        foreach (var feature in table.ReadAll(sites, cancel))
        {
            if (feature.IsDead || ExplainSplit.Of(feature, shown) is not { } split)
            {
                leftOut++;
                continue;
            }
            Write(json, feature, split);
            json.Flush();
            json.Reset();
            output.WriteByte((byte)'\n');
            written++;
        }
        return new ExplainSummary(written, leftOut);
    }

    private static void Write(Utf8JsonWriter json, FeatureDashboard feature, ExplainSplit split)
    {
        json.WriteStartObject();
        json.WriteString("site", feature.Site);
        json.WriteNumber("feature", feature.Feature);
        json.WriteStartArray("contexts");
        foreach (var context in split.Shown)
        {
            json.WriteStartObject();
            Texts(json, "tokens", context.Tokens);
            json.WriteStartArray("activations");
            foreach (var a in context.Activations) json.WriteNumberValue(ExplainSplit.Told(a, feature.MaxActivation));
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        Texts(json, "promoted", feature.Promoted.Take(Promoted).Select(t => t.Token));
        json.WriteStartArray("held_out");
        foreach (var context in split.HeldOut)
        {
            json.WriteStartObject();
            Texts(json, "tokens", context.Tokens);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Texts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
