using System.Globalization;
using System.Text.Json;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>What Neuronpedia's graph-schema.json, circuit-tracer's graph_models.py and its page ask of a graph, copied by hand.</summary>
internal static class GraphSchema
{
    private const string Text = "text", Whole = "whole number", Number = "number", Truth = "truth", Nothing = "null", Texts = "texts";

    // name, types; required unless it ends in '?'
    private static readonly (string Name, string[] Types)[] s_metadata =
    [
        ("slug", [Text]), ("scan", [Text]), ("prompt_tokens", [Texts]), ("prompt", [Text]), ("transcoder_list", [Texts]),
        ("node_threshold?", [Number]), ("schema_version?", [Whole]), ("title_prefix?", [Text]),
    ];

    private static readonly (string Name, string[] Types)[] s_state =
    [
        ("pinnedIds", [Texts]), ("linkType", [Text]), ("clickedId", [Text]), ("sg_pos", [Text]),
    ];

    // circuit-tracer takes less than Neuronpedia: a layer is a text, a feature no null
    private static readonly (string Name, string[] Types)[] s_node =
    [
        ("node_id", [Text]), ("feature", [Whole]), ("layer", [Text]), ("ctx_idx", [Whole]), ("feature_type", [Text]), ("jsNodeId", [Text]),
        ("clerp", [Text]), ("influence?", [Number, Nothing]), ("activation?", [Number, Nothing]), ("token_prob?", [Number]),
        ("is_target_logit?", [Truth]), ("run_idx?", [Whole]), ("reverse_ctx_idx?", [Whole]), ("vis_link?", [Text]),
        ("top_logit_effects?", [Texts]), ("bottom_logit_effects?", [Texts]),
    ];

    private static readonly (string Name, string[] Types)[] s_link = [("source", [Text]), ("target", [Text]), ("weight", [Number])];

    // a file of a feature, as the page and feature_models.py have it; figures are left out where no text was read
    private static readonly (string Name, string[] Types)[] s_feature =
    [
        ("transcoder_id", [Text]), ("index", [Whole]), ("top_logits", [Texts]), ("bottom_logits", [Texts]), ("act_min?", [Number]),
        ("act_max?", [Number]), ("activation_frequency?", [Number]),
    ];

    private static readonly string[] s_kinds = ["cross layer transcoder", "mlp reconstruction error", "embedding", "logit"];

    /// <summary>Both schemas, and what the page does with a graph that no schema says.</summary>
    public static void AssertValid(JsonElement graph)
    {
        AssertMetadata(graph.GetProperty("metadata"));
        var state = graph.GetProperty("qParams");
        AssertFields(state, s_state);
        Assert.Equal(0, state.GetProperty("supernodes").GetArrayLength());
        var nodes = graph.GetProperty("nodes").EnumerateArray().ToList();
        foreach (var node in nodes)
        {
            AssertFields(node, s_node);
            Assert.Contains(node.GetProperty("feature_type").GetString(), s_kinds);
        }
        var links = graph.GetProperty("links").EnumerateArray().ToList();
        foreach (var link in links) AssertFields(link, s_link);
        AssertJoined(nodes, links);
        AssertDrawn(nodes, graph.GetProperty("metadata").GetProperty("prompt_tokens").GetArrayLength());
    }

    /// <summary>What a list of graphs holds of each.</summary>
    public static void AssertMetadata(JsonElement metadata)
    {
        AssertFields(metadata, s_metadata);
        Assert.Matches("^[a-z0-9-]+$", metadata.GetProperty("slug").GetString());
        Assert.NotEqual("", metadata.GetProperty("scan").GetString());
        Assert.NotEqual("", metadata.GetProperty("prompt").GetString());
        Assert.Equal(1, metadata.GetProperty("schema_version").GetInt32());
        Assert.NotEqual("", metadata.GetProperty("info").GetProperty("description").GetString());
    }

    /// <summary>A file of a feature.</summary>
    public static void AssertFeature(JsonElement feature)
    {
        AssertFields(feature, s_feature);
        var quantiles = feature.GetProperty("examples_quantiles").EnumerateArray().ToList();
        Assert.StartsWith("Top activations", quantiles[0].GetProperty("quantile_name").GetString());   // by its place or by its name
        foreach (var example in quantiles.SelectMany(q => q.GetProperty("examples").EnumerateArray()))
        {
            var tokens = example.GetProperty("tokens").GetArrayLength();
            Assert.Equal(tokens, example.GetProperty("tokens_acts_list").EnumerateArray().Count(a => a.ValueKind == JsonValueKind.Number));
            Assert.InRange(example.GetProperty("train_token_ind").GetInt32(), 0, tokens - 1);
            Assert.Equal(JsonValueKind.False, example.GetProperty("is_repeated_datapoint").ValueKind);
        }
        // the page shades from act_min to act_max, and needs both or neither
        Assert.Equal(feature.TryGetProperty("act_min", out var least), feature.TryGetProperty("act_max", out var most));
        if (least.ValueKind == JsonValueKind.Number) Assert.True(least.GetDouble() < most.GetDouble());
    }

    /// <summary>The two numbers that a feature's number pairs, by the page's own formula.</summary>
    public static (long Layer, long Feature) Unpaired(long number)
    {
        var sum = (long)Math.Floor((Math.Sqrt((8.0 * number) + 1) - 1) / 2);
        var feature = number - (((sum * sum) + sum) / 2);
        return (sum - feature, feature);
    }

    private static void AssertJoined(List<JsonElement> nodes, List<JsonElement> links)
    {
        var ids = nodes.Select(n => n.GetProperty("node_id").GetString()!).ToHashSet();
        Assert.Equal(nodes.Count, ids.Count);
        Assert.All(links, l => Assert.True(ids.Contains(l.GetProperty("source").GetString()!)
            && ids.Contains(l.GetProperty("target").GetString()!)));
    }

    private static void AssertDrawn(List<JsonElement> nodes, int columns)
    {
        static string Kind(JsonElement node) => node.GetProperty("feature_type").GetString()!;
        static int Layer(JsonElement node) => int.Parse(node.GetProperty("layer").GetString()!, CultureInfo.InvariantCulture);
        static int Column(JsonElement node) => node.GetProperty("ctx_idx").GetInt32();
        Assert.All(nodes, n => Assert.InRange(Column(n), 0, columns - 1));
        Assert.Equal(Enumerable.Range(0, columns), nodes.Select(Column).Distinct().Order());   // a column without a node has no place
        Assert.All(nodes.Where(n => Kind(n) == "embedding"), n => Assert.Equal("E", n.GetProperty("layer").GetString()));
        // the page puts outputs one above the highest layer, and fails where that is 0
        var highest = nodes.Where(n => Kind(n) is not ("logit" or "embedding")).Select(Layer).DefaultIfEmpty(0).Max();
        Assert.True(highest > 0 || nodes.All(n => Kind(n) is "logit" or "embedding"));
        var outputs = nodes.Where(n => Kind(n) == "logit").ToList();
        Assert.NotEmpty(outputs);
        Assert.All(outputs, n => Assert.Equal(highest + 1, Layer(n)));
        Assert.All(outputs, n => Assert.InRange(
            double.Parse(n.GetProperty("clerp").GetString()!.Split("(p=")[1].Split(')')[0], CultureInfo.InvariantCulture), 0, 1));
        // it leaves out what occurs in more than two thirds of the columns, by this name
        Assert.All(nodes.Where(n => Kind(n) != "mlp reconstruction error")
            .GroupBy(n => (n.GetProperty("layer").GetString(), n.GetProperty("feature").GetInt64(), Column(n))),
            same => Assert.True(same.Count() <= columns * 2 / 3.0));
        Assert.All(nodes.Where(n => Kind(n) == "cross layer transcoder"), n => Assert.Equal(
            ((long)Layer(n), n.GetProperty("feature_index").GetInt64()), Unpaired(n.GetProperty("feature").GetInt64())));
    }

    private static void AssertFields(JsonElement element, (string Name, string[] Types)[] fields)
    {
        foreach (var (name, types) in fields)
        {
            if (element.TryGetProperty(name.TrimEnd('?'), out var value)) Assert.Contains(types, t => Is(value, t));
            else Assert.True(name.EndsWith('?'), $"{name} is not there");
        }
    }

    private static bool Is(JsonElement value, string type) => type switch
    {
        Text => value.ValueKind == JsonValueKind.String,
        Whole => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        Number => value.ValueKind == JsonValueKind.Number,
        Truth => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        Nothing => value.ValueKind == JsonValueKind.Null,
        Texts => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String),
        _ => false,
    };
}
