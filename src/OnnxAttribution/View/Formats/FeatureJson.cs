using System.Text.Json;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.View.Formats;

// 1. `examples_quantiles` begins with "Top activations", which readers look for by that name or by its place; what has no contexts says so
//    in the name, which the page shows.
// 2. `histogram` counts activations in equal bins from 0, of which the last holds `act_max`; the page spreads it over act_min to act_max.
// 3. `quantile_values` are the activations that 1 %, 2 %, … 100 % of the active tokens do not exceed, found within a bin of the histogram
//    by its share: the page looks up among them how strong an activation is.
// 4. `act_min` is 0: on most tokens a feature is not active. What is not known is left out; `examples_quantiles`, `top_logits` and
//    `bottom_logits` are there and empty, since the page takes them for lists.

/// <summary>One feature as circuit-tracer's page and Neuronpedia read features: its contexts, tokens and figures.</summary>
/// <remarks>github.com/safety-research/circuit-tracer circuit_tracer/frontend/feature_models.py; the page asks for it by the number that
/// pairs layer and feature.</remarks>
internal static class FeatureJson
{
    private const string Strongest = "Top activations";

    /// <summary>Writes an object.</summary>
    /// <param name="dictionary">Where the feature is from, such as <c>gpt2-small/6-res-jb</c>, or its site.</param>
    public static void Write(Utf8JsonWriter json, PictureNode node, string dictionary, FeatureDetails details)
    {
        json.WriteStartObject();
        json.WriteString("transcoder_id", dictionary);
        json.WriteNumber("index", node.Feature);
        var card = details.Card(node.Site!.Name, node.Feature);
        Contexts(json, card);
        var tokens = details.Tokens(node);
        Tokens(json, "top_logits", tokens?.Promoted ?? []);
        Tokens(json, "bottom_logits", tokens?.Suppressed ?? []);
        if (card is not null) Figures(json, card);
        json.WriteEndObject();
    }

    /// <summary>Texts of tokens, with line breaks and tabs as circuit-tracer shows them: a viewer keeps each context on one line.</summary>
    public static void Tokens(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts) json.WriteStringValue(text.Replace('\n', '⏎').Replace('\t', '→').Replace('\r', '↵'));
        json.WriteEndArray();
    }

    /// <summary>For p = 1 … 100 the activation that p % of the counted ones do not exceed: the place in its bin by the bin's share.
    /// </summary>
    /// <param name="histogram">Counts in equal bins from 0; at least one.</param>
    /// <param name="width">Of a bin.</param>
    /// <param name="largest">Largest activation, which lies in the last bin.</param>
    internal static float[] Quantiles(IReadOnlyList<long> histogram, float width, float largest)
    {
        var (result, all, bin, below) = (new float[100], histogram.Sum(), 0, 0L);
        for (var p = 1; p <= result.Length; p++)
        {
            var rank = all * (p / 100.0);
            while (below + histogram[bin] < rank) below += histogram[bin++];
            result[p - 1] = Math.Min(largest, (float)((bin + ((rank - below) / histogram[bin])) * width));
        }
        return result;
    }

    private static void Contexts(Utf8JsonWriter json, FeatureDashboard? card)
    {
        json.WriteStartArray("examples_quantiles");
        if (card is null or { Contexts.Count: 0 })
        {
            var why = card is null ? "none are known of this feature" : "active nowhere in the text that was read";
            Quantile(json, $"{Strongest}: {why}", []);
        }
        else
        {
            var strata = card.Contexts.Max(c => c.Quantile);
            foreach (var contexts in card.Contexts.GroupBy(c => c.Quantile))
            {
                Quantile(json, contexts.Key == 0 ? Strongest : $"Samples from below, part {contexts.Key} of {strata}", contexts);
            }
        }
        json.WriteEndArray();
    }

    private static void Quantile(Utf8JsonWriter json, string name, IEnumerable<FeatureContext> contexts)
    {
        json.WriteStartObject();
        json.WriteString("quantile_name", name);
        json.WriteStartArray("examples");
        foreach (var context in contexts)
        {
            json.WriteStartObject();
            Tokens(json, "tokens", context.Tokens);
            json.WriteStartArray("tokens_acts_list");
            foreach (var a in context.Activations) json.WriteNumberValue(float.IsFinite(a) ? a : 0);
            json.WriteEndArray();
            json.WriteNumber("train_token_ind", context.Peak);
            json.WriteBoolean("is_repeated_datapoint", false);   // no context has the tokens of another
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Figures(Utf8JsonWriter json, FeatureDashboard card)
    {
        if (card.Histogram.Count > 0)
        {
            json.WriteNumber("act_min", 0);
            json.WriteNumber("act_max", card.MaxActivation);
            json.WriteStartArray("quantile_values");
            foreach (var q in Quantiles(card.Histogram, card.BinWidth, card.MaxActivation)) json.WriteNumberValue(FiveDigits.Of(q));
            json.WriteEndArray();
            json.WriteStartArray("histogram");
            foreach (var count in card.Histogram) json.WriteNumberValue(count);
            json.WriteEndArray();
        }
        json.WriteNumber("activation_frequency", card.FiringRate);
    }
}
