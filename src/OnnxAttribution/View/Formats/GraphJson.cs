using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Formats;

// 1. A row of the viewer is a `layer`. Three sites share a layer of the model, so a site gets a number of its own: the model's layer where
//    that is unambiguous (a run on the residual stream alone, so that Neuronpedia finds the features), else its place in the order of
//    computation. The viewer fails where the highest is 0; then all are one more.
// 2. `node_id` is {layer}_{feature}_{column}, {layer}_-1_{column} for error nodes as circuit-tracer writes them today (its older
//    0_{layer}_{position} is another feature's id), the metric's lies one layer higher.
// 3. A column is a token position; where nodes stand at no position, the first column is theirs and the tokens move one to the right.
// 4. The prompt's tokens are embedding nodes, with links in graphs of transcoders only. Others begin at sites; but the viewer's scores take
//    the first embedding node for the place where error nodes end, and without any would call a graph complete that is all errors. Its
//    replacement score, which asks what reaches the tokens, stays 0.
// 5. Every feature is a `cross layer transcoder`, every error node an `mlp reconstruction error`, whatever the site:
//    the viewer scores no graph that has other kinds. `clerp` is the feature's label where it has one; it and the further fields name the
//    site.
// 6. `influence` is circuit-tracer's: the cumulative share of path influence through normalised weights, the run's own on its outputs
//    where it has any, else that of the drawn links on the metric; the viewer's slider hides what lies above it. `effect_share` is the
//    cumulative share of Σ |effect| over the drawn nodes, the strongest first.

/// <summary>The graph of a run as Neuronpedia and circuit-tracer read graphs (schema_version 1),
/// with what is ours in further fields.</summary>
/// <remarks>github.com/hijohnnylin/neuronpedia apps/webapp/app/api/graph/graph-schema.json;
/// github.com/safety-research/circuit-tracer circuit_tracer/frontend/graph_models.py.</remarks>
internal static partial class GraphJson
{
    private const string Feature = "cross layer transcoder", Error = "mlp reconstruction error";
    private const int LabelLetters = 200;

    // < and > stay escaped: a page may hold the text within a script element
    internal static JavaScriptEncoder Encoder { get; } = JavaScriptEncoder.Create(UnicodeRanges.All);

    private static readonly JsonWriterOptions s_options = new() { Encoder = Encoder };

    /// <summary>Writes the graph as UTF-8. The stream stays the caller's.</summary>
    public static void Write(RunPicture picture, Stream output, GraphJsonParts? parts = null)
    {
        var (places, given) = (new ViewerIds(picture), parts ?? new GraphJsonParts());
        using var json = new Utf8JsonWriter(output, s_options);
        json.WriteStartObject();
        json.WritePropertyName("metadata");
        GraphJsonHeader.Metadata(json, picture, places, given);
        GraphJsonHeader.State(json, picture, places);
        Nodes(json, picture, places, given);
        Links(json, picture, places);
        json.WriteEndObject();
    }

    /// <summary>The graph's metadata alone, as a list of graphs has them.</summary>
    public static JsonElement Metadata(RunPicture picture, GraphJsonParts parts)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_options)) GraphJsonHeader.Metadata(json, picture, new ViewerIds(picture), parts);
        using var document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }

    private static void Nodes(Utf8JsonWriter json, RunPicture picture, ViewerIds places, GraphJsonParts parts)
    {
        json.WriteStartArray("nodes");
        for (var column = 0; column < places.Columns.Count; column++)
        {
            Embedding(json, places, column, picture.Nodes.FirstOrDefault(n => n.IsToken && places.Column(n) == column));
        }
        var (shares, influence) = (EffectShares(picture), LinkInfluence.Of(picture));
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            var node = picture.Nodes[i];
            if (node.IsToken) continue;
            if (node.IsMetric && picture.Targets.Count > 0)
            {
                foreach (var target in picture.Targets.DistinctBy(t => t.TargetId).OrderByDescending(t => t.Probability))
                {
                    Output(json, places, node, target);
                }
                continue;
            }
            json.WriteStartObject();
            json.WriteString("node_id", places.Id(node));
            if (node.IsMetric)
            {
                Logit(json, picture, places, node);
            }
            else
            {
                SiteNode(json, picture, places, node, float.IsNaN(node.Influence) ? influence[i] : node.Influence);
                json.WriteNumber("effect_share", shares[i]);
                if (!node.IsError) Details(json, picture, node, parts, places.FeatureNumber(node));
            }
            Number(json, "effect", node.Effect);
            Number(json, "patch_activation", node.PatchActivation);
            json.WriteNumber("position", node.Position);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void SiteNode(Utf8JsonWriter json, RunPicture picture, ViewerIds places, PictureNode node, double influence)
    {
        var (layer, label) = (places.Layer(node), picture.LabelOf(node));
        json.WriteNumber("feature", node.IsError ? -1 : places.FeatureNumber(node));
        json.WriteString("layer", Text(layer));
        json.WriteNumber("ctx_idx", places.Column(node));
        json.WriteString("feature_type", node.IsError ? Error : Feature);
        // one error node per layer and position, so the position keeps them apart
        json.WriteString("jsNodeId", node.IsError
            ? $"{layer}_-1-{places.Column(node)}"
            : string.Create(CultureInfo.InvariantCulture, $"{layer}_{node.Feature}-0"));
        // rows are sites where they are not the model's layers
        var shown = label is null ? "" : ViewerText.Harmless(label, LabelLetters);
        json.WriteString("clerp", label is null ? node.Position < 0 ? node.Label : $"{node.Label} @ {ViewerText.Harmless(node.Token)}"
            : places.IsModelLayer ? shown : $"{shown} · {node.Label}");
        json.WriteNumber("run_idx", 0);
        json.WriteNumber("reverse_ctx_idx", 0);
        json.WriteBoolean("is_target_logit", false);
        json.WriteNumber("token_prob", 0);
        json.WriteNumber("influence", Finite(influence));
        Number(json, "activation", node.Activation);
        json.WriteString("site", node.Site!.Name);
        json.WriteNumber("feature_index", node.Feature);
        if (label is not null) json.WriteString("feature_label", label);
        GraphJsonSubgraph.WriteLabel(json, picture, node);
        json.WriteString("token", node.Token);
        Number(json, "contribution", float.IsNaN(node.Effect) ? float.NaN : node.Contribution);
        Number(json, "gradient", node.Gradient);
        Number(json, "exact_effect", node.ExactEffect);
    }

    private static void Details(Utf8JsonWriter json, RunPicture picture, PictureNode node, GraphJsonParts parts, long number)
    {
        // without one the page links to "undefined"
        if (picture.Header.NeuronpediaId(node.Site!.Name) is { } id && IsAddress().IsMatch(id))
        {
            json.WriteString("vis_link", string.Create(CultureInfo.InvariantCulture, $"https://www.neuronpedia.org/{id}/{node.Feature}"));
        }
        else if (parts.Scan is { } scan)
        {
            json.WriteString("vis_link", string.Create(CultureInfo.InvariantCulture, $"{scan}/{number}.json"));
        }
        if (parts.Details.Tokens(node) is not { } tokens) return;
        FeatureJson.Tokens(json, "top_logit_effects", tokens.Promoted);
        FeatureJson.Tokens(json, "bottom_logit_effects", tokens.Suppressed);
    }

    private static void Logit(Utf8JsonWriter json, RunPicture picture, ViewerIds places, PictureNode metric)
    {
        var (token, probability) = (picture.Header.Target ?? picture.Header.MetricWords, places.Probability);
        json.WriteNumber("feature", places.Target);
        json.WriteString("layer", Text(places.Layer(metric)));
        json.WriteNumber("ctx_idx", places.Column(metric));
        json.WriteString("feature_type", "logit");
        json.WriteString("jsNodeId", string.Create(CultureInfo.InvariantCulture, $"L_{places.Target}-{places.Column(metric)}"));
        json.WriteString("clerp", OutputText(picture.Header.Foil is { } foil ? $"{token} − {foil}" : token, probability));
        json.WriteNumber("run_idx", 0);
        json.WriteNumber("reverse_ctx_idx", 0);
        json.WriteBoolean("is_target_logit", true);
        json.WriteNumber("token_prob", Finite(probability));
        json.WriteNull("influence");
        Number(json, "activation", metric.Activation);
        json.WriteString("site", Store.RunDirectory.MetricSite);
        json.WriteString("metric", picture.Header.MetricWords);
        json.WriteString("token", picture.Header.Target);
    }

    // an output token stands where the metric does
    private static void Output(Utf8JsonWriter json, ViewerIds places, PictureNode metric, TargetRow target)
    {
        json.WriteStartObject();
        json.WriteString("node_id", places.OutputId(metric, target.TargetId));
        json.WriteNumber("feature", target.TargetId);
        json.WriteString("layer", Text(places.Layer(metric)));
        json.WriteNumber("ctx_idx", places.Column(metric));
        json.WriteString("feature_type", "logit");
        json.WriteString("jsNodeId", string.Create(CultureInfo.InvariantCulture, $"L_{target.TargetId}-{places.Column(metric)}"));
        json.WriteString("clerp", OutputText(target.Target, target.Probability));
        json.WriteNumber("run_idx", 0);
        json.WriteNumber("reverse_ctx_idx", 0);
        json.WriteBoolean("is_target_logit", true);
        json.WriteNumber("token_prob", Finite(target.Probability));
        json.WriteNull("influence");
        json.WriteNull("activation");
        json.WriteString("token", target.Target);
        json.WriteEndObject();
    }

    // the viewer cuts at the first quotation mark, and reads the number between the first "(p=" and the next ")"
    private static string OutputText(string token, double probability)
    {
        var text = ViewerText.Harmless(token).Replace('"', '”').Replace("(p=", "( p=", StringComparison.Ordinal);
        return string.Create(CultureInfo.InvariantCulture, $"Output \"{text}\" (p={probability:0.000})");
    }

    private static void Embedding(Utf8JsonWriter json, ViewerIds places, int column, PictureNode? node)
    {
        var id = places.TokenId(column);
        json.WriteStartObject();
        json.WriteString("node_id", places.EmbeddingId(column));
        json.WriteNumber("feature", column);
        json.WriteString("layer", "E");
        json.WriteNumber("ctx_idx", column);
        json.WriteString("feature_type", "embedding");
        json.WriteString("jsNodeId", string.Create(CultureInfo.InvariantCulture, $"E_{id}-{column}"));
        json.WriteString("clerp", $"Emb: {ViewerText.Harmless(places.Columns[column])}");
        json.WriteNumber("run_idx", 0);
        json.WriteNumber("reverse_ctx_idx", 0);
        json.WriteBoolean("is_target_logit", false);
        json.WriteNumber("token_prob", 0);
        json.WriteNull("influence");
        Number(json, "activation", node?.Activation ?? float.NaN);
        if (node is not null) Number(json, "effect", node.Effect);
        json.WriteEndObject();
    }

    private static void Links(Utf8JsonWriter json, RunPicture picture, ViewerIds places)
    {
        json.WriteStartArray("links");
        foreach (var edge in picture.Edges)
        {
            if (picture.Targets.Count > 0 && picture.Nodes[edge.Down].IsMetric) continue;
            var does = PictureWords.Does(picture, edge);
            json.WriteStartObject();
            json.WriteString("source", places.Id(picture.Nodes[edge.Up]));
            json.WriteString("target", places.Id(picture.Nodes[edge.Down]));
            json.WriteNumber("weight", float.IsFinite(edge.Weight) ? edge.Weight : float.IsFinite(does) ? does : 0);
            Number(json, "effect", edge.Effect);
            Number(json, "jacobian", edge.Jacobian);
            Number(json, "on_downstream", edge.OnDownstream);
            json.WriteEndObject();
        }
        OutputLinks(json, picture, places);
        json.WriteEndArray();
    }

    private static void OutputLinks(Utf8JsonWriter json, RunPicture picture, ViewerIds places)
    {
        if (picture.Targets.Count == 0) return;
        var drawn = picture.Nodes.Where(n => !n.IsMetric).ToDictionary(n => (n.Site!.Name, n.Position, n.Feature));
        foreach (var row in picture.Targets)
        {
            if (!float.IsFinite(row.Weight) || !drawn.TryGetValue((row.UpSite, row.UpPosition, row.UpFeature), out var up)) continue;
            json.WriteStartObject();
            json.WriteString("source", places.Id(up));
            json.WriteString("target", places.OutputId(picture.Nodes[picture.Metric], row.TargetId));
            json.WriteNumber("weight", Finite(row.Weight));
            json.WriteEndObject();
        }
    }

    private static double[] EffectShares(RunPicture picture)
    {
        var strength = picture.Nodes.Select(n => float.IsFinite(n.Effect) ? Math.Abs((double)n.Effect) : 0).ToArray();
        var (result, sum, all) = (new double[strength.Length], 0.0, strength.Sum());
        foreach (var i in Enumerable.Range(0, strength.Length).OrderByDescending(i => strength[i]))
        {
            sum += strength[i];
            result[i] = all > 0 ? Math.Min(1, sum / all) : 1;
        }
        return result;
    }

    [GeneratedRegex(@"^[\w.-]+/[\w.-]+$")]
    private static partial Regex IsAddress();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static double Finite(double value) => double.IsFinite(value) ? value : 0;

    private static float Finite(float value) => float.IsFinite(value) ? value : 0;

    private static void Number(Utf8JsonWriter json, string name, float value)
    {
        if (float.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteNull(name);
    }
}
