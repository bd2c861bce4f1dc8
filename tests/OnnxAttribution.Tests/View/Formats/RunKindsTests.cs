using System.Text.Json;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Every kind of run as graph JSON, alone and in a folder.</summary>
public sealed class RunKindsTests(RunKinds runs) : IClassFixture<RunKinds>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Theory, MemberData(nameof(RunKinds.Names), MemberType = typeof(RunKinds))]
    public void Every_kind_of_run_keeps_both_schemas_and_draws_in_the_page(string kind)
    {
        Verb.Run("view", runs[kind], "--format", "json", "--out", _directory["graph.json"]).Done();
        var graph = Read(_directory["graph.json"]);
        GraphSchema.AssertValid(graph);
        Assert.False(graph.GetProperty("metadata").GetProperty("scan").GetString()!.StartsWith('.'));
        var ends = graph.GetProperty("links").EnumerateArray().Select(l => (l.GetProperty("source").GetString(),
            l.GetProperty("target").GetString())).ToList();
        Assert.Equal(ends.Count, ends.Distinct().Count());
        Assert.Equal(kind != "nothing-kept", ends.Count > 0);
    }

    [Theory, MemberData(nameof(RunKinds.Names), MemberType = typeof(RunKinds))]
    public void In_a_folder_every_feature_has_its_file_where_the_page_asks_for_it(string kind)
    {
        var folder = _directory["graphs"];
        Verb.Run("view", runs[kind], "--format", "json", "--out", folder, "--slug", "one").Done();
        var graph = Read(Path.Combine(folder, "one.json"));
        GraphSchema.AssertValid(graph);
        GraphSchema.AssertMetadata(Read(Path.Combine(folder, "graph-metadata.json")).GetProperty("graphs")[0]);
        var scan = graph.GetProperty("metadata").GetProperty("scan").GetString()!;
        Assert.StartsWith("./data/", scan);   // the folder is served there
        var features = Features(graph);
        var files = features.Select(n => n.GetProperty("feature").GetInt64()).ToHashSet();
        var place = Path.Combine(folder, scan["./data/".Length..]);
        Assert.Equal(files.Select(f => $"{f}.json").Order(), Directory.GetFiles(place).Select(f => Path.GetFileName(f)!).Order());
        foreach (var node in features)
        {
            var file = Read(Path.Combine(place, $"{node.GetProperty("feature").GetInt64()}.json"));
            GraphSchema.AssertFeature(file);
            Assert.Equal(node.GetProperty("feature_index").GetInt32(), file.GetProperty("index").GetInt32());
            Assert.Equal(node.GetProperty("site").GetString(), file.GetProperty("transcoder_id").GetString());
            // the models keep no text, but their weights say which tokens a feature raises
            Assert.Equal(node.GetProperty("top_logit_effects").GetRawText(), file.GetProperty("top_logits").GetRawText());
            Assert.Equal(10, file.GetProperty("bottom_logits").GetArrayLength());
            Assert.Equal($"{scan}/{node.GetProperty("feature").GetInt64()}.json", node.GetProperty("vis_link").GetString());
        }
    }

    [Theory, MemberData(nameof(RunKinds.Names), MemberType = typeof(RunKinds))]
    public void Of_few_nodes_and_edges_every_kind_does_too(string kind)
    {
        Verb.Run("view", runs[kind], "--format", "json", "--nodes", "7", "--edges", "5", "--out", _directory["graph.json"]).Done();
        GraphSchema.AssertValid(Read(_directory["graph.json"]));
    }

    [Fact]
    public void The_kinds_are_what_they_are_called()
    {
        Assert.DoesNotContain(Graph("errors-alone"), n => Kind(n) == "cross layer transcoder");
        Assert.Contains(Graph("errors-alone"), n => Kind(n) == "mlp reconstruction error");
        Assert.Equal(3, Graph("outputs").Count(n => Kind(n) == "logit"));
        Assert.Contains(Graph("transcoders-and-resid"), n => Site(n) == "blocks.1.hook_resid_pre" && Kind(n) == "cross layer transcoder");
        Assert.Contains(Graph("transcoders-and-resid"),
            n => Site(n) == "blocks.1.hook_mlp_out" && Kind(n) == "cross layer transcoder");
        Assert.Contains(Graph("errors-beside"), n => Site(n) == "blocks.0.hook_attn_out" && Kind(n) == "mlp reconstruction error");
        Assert.Contains(Graph("head-outputs"), n => Site(n) == "blocks.0.attn.hook_z" && Kind(n) == "cross layer transcoder");
        Assert.All(Graph("summed").Where(n => Kind(n) == "cross layer transcoder"),
            n => Assert.Equal(-1, n.GetProperty("position").GetInt32()));
        Assert.All(Graph("nothing-kept"), n => Assert.Contains(Kind(n), (string[])["embedding", "logit"]));
    }

    [Fact]
    public void A_bundle_that_is_damaged_costs_a_graph_its_tokens_and_no_more_unless_it_is_named()
    {
        var bundle = _directory["bundle"];
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", bundle, "--no-check").Done();
        Verb.Run("graph", "--model", bundle, "--prompt", "abc", "--out", _directory["run"], "--no-page").Done();
        // which is a link to the checkpoint's own
        var weights = Directory.GetFiles(bundle, "sae_weights.safetensors", SearchOption.AllDirectories)[0];
        var bytes = File.ReadAllBytes(weights);
        File.Delete(weights);
        File.WriteAllBytes(weights, [.. bytes, 0, 0, 0, 0]);
        var printed = Verb.Run("view", _directory["run"], "--format", "json", "--out", _directory["graph.json"]).Done().Output;
        Assert.Contains("note: ", printed);
        Assert.Contains("sae_weights.safetensors", printed);
        GraphSchema.AssertValid(Read(_directory["graph.json"]));
        Assert.DoesNotContain("top_logit_effects", File.ReadAllText(_directory["graph.json"]));
        Verb.Run("view", _directory["run"], "--format", "json", "--out", _directory["graph.json"], "--force", "--model", bundle)
            .Failed(1, "sae_weights.safetensors");
    }

    public void Dispose() => _directory.Dispose();

    private List<JsonElement> Graph(string kind)
    {
        Verb.Run("view", runs[kind], "--format", "json", "--out", _directory["graph.json"], "--force").Done();
        return [.. Read(_directory["graph.json"]).GetProperty("nodes").EnumerateArray()];
    }

    private static List<JsonElement> Features(JsonElement graph) =>
        [.. graph.GetProperty("nodes").EnumerateArray().Where(n => Kind(n) == "cross layer transcoder")];

    private static string Kind(JsonElement node) => node.GetProperty("feature_type").GetString()!;

    private static string? Site(JsonElement node) => node.TryGetProperty("site", out var site) ? site.GetString() : null;

    private static JsonElement Read(string file) => JsonDocument.Parse(File.ReadAllBytes(file)).RootElement;
}
