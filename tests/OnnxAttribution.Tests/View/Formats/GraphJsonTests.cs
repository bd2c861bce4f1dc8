using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.View;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Graph JSON against a copy by hand of what graph-schema.json and the viewers ask for.</summary>
[Collection(nameof(TinyRuns))]
public sealed class GraphJsonTests(TinyRuns runs)
{
    private static readonly (string Name, JsonValueKind[] Kinds)[] s_nodeFields =
    [
        ("node_id", [JsonValueKind.String]), ("feature", [JsonValueKind.Number]), ("layer", [JsonValueKind.String]),
        ("ctx_idx", [JsonValueKind.Number]), ("feature_type", [JsonValueKind.String]), ("jsNodeId", [JsonValueKind.String]),
        ("clerp", [JsonValueKind.String]), ("influence", [JsonValueKind.Number, JsonValueKind.Null]),
        ("activation", [JsonValueKind.Number, JsonValueKind.Null]), ("token_prob", [JsonValueKind.Number]),
        ("is_target_logit", [JsonValueKind.True, JsonValueKind.False]),
    ];

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void A_real_run_keeps_the_schema_and_has_the_runs_figures(string run)
    {
        var (picture, graph) = (runs.Picture(run), Read(runs.Picture(run)));
        AssertValid(graph);
        var nodes = graph.GetProperty("nodes").EnumerateArray().Where(n => Text(n, "feature_type") != "embedding").ToList();
        Assert.Equal(picture.Nodes.Select(n => (n.Site?.Name ?? "metric", n.Position, Single(n.Effect))),
            nodes.Select(n => (Text(n, "site"), n.GetProperty("position").GetInt32(), Single(n, "effect"))));
        var links = graph.GetProperty("links").EnumerateArray().ToList();
        Assert.Equal(
            picture.Edges.Select(e => (Text(nodes[e.Up], "node_id"), Text(nodes[e.Down], "node_id"), Single(e.Effect), Single(e.Jacobian))),
            links.Select(l => (Text(l, "source"), Text(l, "target"), Single(l, "effect"), Single(l, "jacobian"))));
        Assert.All(links, l => Assert.Equal(-l.GetProperty("effect").GetSingle(), l.GetProperty("weight").GetSingle()));
    }

    [Fact]
    public void Odd_runs_keep_the_schema()
    {
        foreach (var picture in (RunPicture[])[PictureSamples.Hostile(), PictureSamples.Single(), PictureSamples.Unknown(),
            PictureSamples.SameNumbers(), PictureSamples.Mixed(), PictureSamples.Large(300, 900)])
        {
            AssertValid(Read(picture));
        }
    }

    [Fact]
    public void Three_sites_of_a_layer_are_three_layers_and_no_ids_meet()
    {
        var nodes = Read(PictureSamples.SameNumbers())
            .GetProperty("nodes")
            .EnumerateArray()
            .Where(n => Text(n, "feature_type") != "embedding")
            .ToList();
        Assert.Equal(["0", "1", "2", "3", "4"], nodes.Select(n => Text(n, "layer")).Distinct());
        // the viewer tells features apart by these three
        Assert.Equal(nodes.Count, nodes.Select(n =>
            (Text(n, "layer"), n.GetProperty("feature").GetInt64(), n.GetProperty("ctx_idx").GetInt32())).Distinct().Count());
        var feature = nodes.Single(n => Text(n, "node_id") == "2_1_1");
        Assert.Equal((7, "2_1-0", "0.mlp:1 @ t", "blocks.0.hook_mlp_out"), (feature.GetProperty("feature").GetInt32(),
            Text(feature, "jsNodeId"), Text(feature, "clerp"), Text(feature, "site")));   // (2+1)(2+1+1)/2 + 1
    }

    [Fact]
    public void The_residual_stream_alone_keeps_the_models_layers_so_that_neuronpedia_finds_its_features()
    {
        var facts = PictureSamples.Facts("a");
        facts["neuronpedia_ids"] = new JsonObject
        {
            ["blocks.3.hook_resid_pre"] = "gpt2-small/3-res-jb",
            ["blocks.7.hook_resid_pre"] = "gpt2-small/7-res-jb"
        };
        var picture = PictureSamples.Of(
            [PictureSamples.Row("blocks.3.hook_resid_pre", 0, "a", 12, 1), PictureSamples.Row("blocks.7.hook_resid_pre", 0, "a", 13, 1)],
            [new(0, 1, 1, 1), new(1, OnnxAttribution.Attribution.CausalEdge.Metric, 1, 1)], facts);
        var graph = Read(picture);
        Assert.Equal(["3_12_0", "7_13_0"], graph.GetProperty("nodes")
            .EnumerateArray()
            .Where(n => Text(n, "feature_type") == "cross layer transcoder")
            .Select(n => Text(n, "node_id")));
        Assert.Equal(("gpt2-small", "res-jb"), (Text(graph.GetProperty("metadata"), "scan"),
            Text(graph.GetProperty("metadata").GetProperty("feature_details"), "neuronpedia_source_set")));
        Assert.False(Read(runs.Picture("graph")).GetProperty("metadata").TryGetProperty("feature_details", out _));
    }

    [Fact]
    public void Transcoders_that_neuronpedia_has_are_found_there()
    {
        var facts = PictureSamples.Facts("a");
        facts["options"] = new JsonObject { ["replace"] = "mlp" };
        facts["neuronpedia_ids"] = new JsonObject
        {
            ["blocks.0.hook_mlp_out"] = "gemma-2-2b/0-gemmascope-transcoder-16k",
            ["blocks.1.hook_mlp_out"] = "gemma-2-2b/1-gemmascope-transcoder-16k",
        };
        var graph = Read(PictureSamples.Of([PictureSamples.Row("hook_embed", 0, "a", -1, 1),
            PictureSamples.Row("blocks.0.hook_mlp_out", 0, "a", 12, 1), PictureSamples.Row("blocks.1.hook_mlp_out", 0, "a", 13, 1)],
            [new(0, 1, 1, 1), new(1, 2, 1, 1)], facts));
        var metadata = graph.GetProperty("metadata");
        Assert.Equal(("gemma-2-2b", "gemmascope-transcoder-16k"), (Text(metadata, "scan"),
            Text(metadata.GetProperty("feature_details"), "neuronpedia_source_set")));
        Assert.Equal("https://www.neuronpedia.org/gemma-2-2b/1-gemmascope-transcoder-16k/13", Text(graph.GetProperty("nodes")
            .EnumerateArray().Single(n => Text(n, "node_id") == "1_13_0"), "vis_link"));
    }

    [Theory]
    [InlineData("gpt2-small/4-res-jb", true)]
    [InlineData("gpt2-small/3-res-jb", false)]      // another layer's dictionary
    [InlineData("gpt2-small/4-res_post-oai", false)]
    public void The_stream_behind_the_last_block_is_a_layer_of_its_own_and_all_sites_must_be_of_one_set(string id, bool found)
    {
        var facts = PictureSamples.Facts("a");
        facts["neuronpedia_ids"] = new JsonObject
        {
            ["blocks.3.hook_resid_pre"] = "gpt2-small/3-res-jb",
            ["blocks.3.hook_resid_post"] = id
        };
        var graph = Read(
            PictureSamples.Of([PictureSamples.Row("blocks.3.hook_resid_pre", 0, "a", 12, 1),
                PictureSamples.Row("blocks.3.hook_resid_post", 0, "a", 13, 1)], [new(0, 1, 1, 1)], facts));
        Assert.Equal(["3_12_0", "4_13_0"], graph.GetProperty("nodes")
            .EnumerateArray()
            .Where(n => Text(n, "feature_type") == "cross layer transcoder")
            .Select(n => Text(n, "node_id")));
        Assert.Equal(found, graph.GetProperty("metadata").TryGetProperty("feature_details", out _));
    }

    [Theory]
    [InlineData("loss", 0.5, 0.607), InlineData("logprob", -0.5, 0.607), InlineData("prob", 0.25, 0.25), InlineData("logit", 14, 1)]
    public void A_target_outside_the_top_tokens_has_the_metrics_probability_or_weighs_one(string metric, double clean, double probability)
    {
        var facts = PictureSamples.Facts("a");
        (facts["metric"], facts["clean_metric"], facts["target"]) = (metric, clean, "b");
        Assert.Equal(probability, Logit(Read(PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, 1)], [], facts)))
            .GetProperty("token_prob")
            .GetDouble(), 1e-3);
    }

    [Fact]
    public void The_highest_layer_is_never_zero() =>
        Assert.Equal(["1", "2"],
            Read(PictureSamples.Single()).GetProperty("nodes").EnumerateArray().Select(n => Text(n, "layer")).Where(l => l != "E"));

    [Fact]
    public void A_run_that_kept_nothing_is_its_metric_and_the_prompt_in_columns_of_which_there_are_two_at_least()
    {
        var graph = Read(PictureSamples.Empty());
        Assert.Equal(["embedding", "embedding", "logit"],
            graph.GetProperty("nodes").EnumerateArray().Select(n => Text(n, "feature_type")));
        Assert.Equal(2, graph.GetProperty("metadata").GetProperty("prompt_tokens").GetArrayLength());
    }

    [Fact]
    public void The_metric_is_the_targets_logit_with_its_probability()
    {
        var logit = Logit(Read(runs.Picture("graph")));
        Assert.Equal("Output \")\" (p=0.992)", Text(logit, "clerp"));
        Assert.Equal("logit of ')' after position 3", Text(logit, "metric"));
        Assert.True(logit.GetProperty("is_target_logit").GetBoolean());
    }

    [Fact]
    public void The_effects_share_is_cumulative_the_strongest_first()
    {
        var nodes = Read(runs.Picture("graph")).GetProperty("nodes").EnumerateArray().Where(n =>
            n.TryGetProperty("effect_share", out _)).OrderBy(n => n.GetProperty("effect_share").GetDouble()).ToList();
        float[] strengths = [.. nodes.Select(n => Math.Abs(n.GetProperty("effect").GetSingle()))];
        Assert.Equal(strengths.OrderDescending(), strengths);
        Assert.Equal(strengths[0] / strengths.Sum(s => (double)s), nodes[0].GetProperty("effect_share").GetDouble(), 1e-9);
        Assert.Equal(1, nodes[^1].GetProperty("effect_share").GetDouble(), 1e-9);
    }

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void Influence_is_what_circuit_tracer_computes_of_the_files_own_links(string run)
    {
        var graph = Read(runs.Picture(run));
        var nodes = graph.GetProperty("nodes").EnumerateArray().ToList();
        var index = nodes.Select((n, i) => (Id: Text(n, "node_id"), i)).ToDictionary(p => p.Id, p => p.i);
        var a = new double[nodes.Count, nodes.Count];
        foreach (var l in graph.GetProperty("links").EnumerateArray())
        {
            a[index[Text(l, "target")], index[Text(l, "source")]] = Math.Abs(l.GetProperty("weight").GetDouble());
        }
        var influence = Series(a, index[Text(Logit(graph), "node_id")]);
        var (sum, all) = (0.0, influence.Sum());
        Assert.True(all > 0);
        foreach (var i in Enumerable.Range(0, nodes.Count).Where(i => nodes[i].GetProperty("influence").ValueKind == JsonValueKind.Number)
            .OrderBy(i => nodes[i].GetProperty("influence").GetDouble())
            .ThenByDescending(i => influence[i]))   // what has none shares the last place
        {
            sum += influence[i];
            Assert.Equal(sum / all, nodes[i].GetProperty("influence").GetDouble(), 1e-6);
        }
    }

    [Fact]
    public void A_feature_whose_place_on_neuronpedia_is_known_is_linked_to_it_and_an_error_is_not()
    {
        var facts = PictureSamples.Facts("a");
        facts["neuronpedia_ids"] = new JsonObject { ["blocks.3.hook_resid_pre"] = "gpt2-small/3-res-jb", ["hook_x"] = "\"><b>" };
        var nodes = Read(PictureSamples.Of([PictureSamples.Row("blocks.3.hook_resid_pre", 0, "a", 12, 1),
            PictureSamples.Row("blocks.3.hook_resid_pre", 0, "a", -1, 1), PictureSamples.Row("blocks.4.hook_resid_pre", 0, "a", 1, 1)], [],
            facts)).GetProperty("nodes").EnumerateArray().Where(n => n.TryGetProperty("vis_link", out _)).ToList();
        Assert.Equal("https://www.neuronpedia.org/gpt2-small/3-res-jb/12", Text(Assert.Single(nodes), "vis_link"));
    }

    // w A + w A² + …, rows divided by their sums
    private static double[] Series(double[,] a, int output)
    {
        var n = a.GetLength(0);
        var (sums, result, current) = (new double[n], new double[n], new double[n]);
        for (var t = 0; t < n; t++) for (var s = 0; s < n; s++) sums[t] += a[t, s];
        current[output] = 1;
        while (current.Any(c => c != 0))
        {
            var next = new double[n];
            for (var t = 0; t < n; t++) for (var s = 0; s < n; s++) next[s] += sums[t] > 0 ? a[t, s] / sums[t] * current[t] : 0;
            for (var i = 0; i < n; i++) result[i] += next[i];
            current = next;
        }
        return result;
    }

    [Fact]
    public void Hostile_tokens_survive_as_data_and_are_harmless_where_viewers_take_them_for_html()
    {
        var text = Written(PictureSamples.Hostile());
        Assert.DoesNotContain('<', text);
        var graph = Read(PictureSamples.Hostile());
        Assert.Equal(PictureSamples.HostileTokens.Select(t => t.Replace('\ud800', '\ufffd')),
            graph.GetProperty("metadata").GetProperty("prompt_tokens").EnumerateArray().Select(t => t.GetString()));
        foreach (var node in graph.GetProperty("nodes").EnumerateArray())
        {
            Assert.DoesNotContain(Text(node, "clerp"), c => c is '<' or '>' or '&' || char.IsControl(c));
        }
    }

    private static void AssertValid(JsonElement graph)
    {
        GraphSchema.AssertValid(graph);
        Assert.Equal(0, graph.GetProperty("metadata").GetProperty("transcoder_list").GetArrayLength());
        var state = graph.GetProperty("qParams");
        Assert.Equal(("both", "", ""), (Text(state, "linkType"), Text(state, "clickedId"), Text(state, "sg_pos")));
        Assert.Equal(0, state.GetProperty("pinnedIds").GetArrayLength());
        Assert.Contains(graph.GetProperty("nodes").EnumerateArray(), n => Text(n, "feature_type") is not ("logit" or "embedding"));
        Logit(graph);   // the only one
        foreach (var node in graph.GetProperty("nodes").EnumerateArray())
        {
            foreach (var (name, kinds) in s_nodeFields) Assert.Contains(node.GetProperty(name).ValueKind, kinds);
        }
    }

    private static JsonElement Logit(JsonElement graph) =>
        graph.GetProperty("nodes").EnumerateArray().Single(n => Text(n, "feature_type") == "logit");

    private static JsonElement Read(RunPicture picture) => JsonDocument.Parse(Written(picture)).RootElement;

    private static string Written(RunPicture picture)
    {
        var stream = new MemoryStream();
        GraphJson.Write(picture, stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? "";

    private static float? Single(float value) => float.IsFinite(value) ? value : null;

    private static float? Single(JsonElement element, string name) =>
        element.GetProperty(name).ValueKind == JsonValueKind.Null ? null : element.GetProperty(name).GetSingle();
}
