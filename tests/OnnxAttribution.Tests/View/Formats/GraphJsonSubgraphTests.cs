using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;
using OnnxAttribution.View;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Pins and groups in graph JSON, written and read back, also as other programs save them.</summary>
[Collection(nameof(TinyRuns))]
public sealed class GraphJsonSubgraphTests(TinyRuns runs)
{
    private const string Hostile = "<img src=x onerror=alert(1)> & \u202e";

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void What_is_written_is_read_back(string run)
    {
        var subgraph = Of(run);
        var graph = Graph(run, subgraph);
        AssertSame(subgraph, Read(graph));
        var state = graph["qParams"]!;
        var ids = graph["nodes"]!.AsArray().Select(n => (string)n!["node_id"]!).ToHashSet();
        // all of them are nodes of the graph, the output among them, so that the pages show edges to it
        Assert.Equal(subgraph.Pins.Count + 1, state["pinnedIds"]!.AsArray().Count);
        Assert.All(state["pinnedIds"]!.AsArray(), id => Assert.Contains((string)id!, ids));
        Assert.All(state["supernodes"]!.AsArray().SelectMany(s => s!.AsArray().Skip(1)), id => Assert.Contains((string)id!, ids));
        // pages show names as HTML
        Assert.DoesNotContain(state["supernodes"]!.AsArray().Select(s => (string)s![0]!), n => n.Contains('<') || n.Contains('&'));
        var labelled = graph["nodes"]!.AsArray().Where(n => n!["own_label"] is not null).ToList();
        Assert.NotEmpty(labelled);
        Assert.All(labelled, n => Assert.Contains("‹img src=x onerror=alert(1)›", (string)n!["clerp"]!));
    }

    [Fact]
    public void What_circuit_tracers_page_saves_is_read()
    {
        var subgraph = Of("graph");
        var graph = Graph("graph", subgraph);
        var state = graph["qParams"]!.AsObject();
        state["pinnedIds"] = string.Join(',', state["pinnedIds"]!.AsArray().Select(id => (string)id!));
        state["supernodes"] = state["supernodes"]!.ToJsonString();
        (state["clerps"], state["hiddenIds"]) = (null, null);
        AssertSame(subgraph, Read(graph));
        // its labels are by the number that pairs layer and feature
        var node = graph["nodes"]!.AsArray().First(n => n!["own_label"] is not null)!;
        state["clerps"] = new JsonArray(new JsonArray(node["feature"]!.ToJsonString(), "theirs")).ToJsonString();
        Assert.Equal("theirs", Read(graph).LabelOf((string)node["site"]!, (int)node["feature_index"]!));
        (state["pinnedIds"], state["supernodes"]) = (null, null);
        Assert.Empty(Read(graph).Pins);
    }

    [Fact]
    public void What_neuronpedia_saves_is_read_and_odd_states_are_put_right()
    {
        var subgraph = Of("graph");
        var graph = Graph("graph", subgraph);
        var state = graph["qParams"]!.AsObject();
        var ids = state["pinnedIds"]!.AsArray().Select(id => (string)id!).ToList();
        var node = graph["nodes"]!.AsArray().First(n => (string)n!["node_id"]! == ids[0])!;
        var id = $"{(string)node["layer"]!}_{node["feature"]!.ToJsonString()}_{node["ctx_idx"]!.ToJsonString()}";
        state["clerps"] = new JsonArray(new JsonArray(id, new string('x', 300)));
        // two of one name, one without, a node in two, and ids that are of no feature
        state["supernodes"] = new JsonArray(new JsonArray("a", ids[0]), new JsonArray("a", ids[1], ids[0]), new JsonArray("", ids[2]),
            new JsonArray("none", "E_1_1", "nowhere"), new JsonArray());
        var read = Read(graph);
        Assert.Equal(["a", "a 2", "group"], read.Groups.Select(g => g.Name));
        Assert.All(read.Groups, g => Assert.Single(g.Nodes));
        Assert.Equal(SubgraphFile.MostLetters, read.LabelOf((string)node["site"]!, (int)node["feature_index"]!)!.Length);
    }

    [Theory]
    [InlineData("""{"qParams": {}, "nodes": []}""", "no node of graph.json says site")]
    [InlineData("""{"qParams": {}}""", "no graph whose pins can be read")]
    [InlineData("""{"qParams": {"pinnedIds": 3}, "nodes": [~]}""", "no graph whose pins can be read")]
    [InlineData("""{"qParams": {"supernodes": "["}, "nodes": [~]}""", "no graph whose pins can be read")]
    public void Another_programs_graph_is_refused_in_one_line(string json, string words)
    {
        using var document = JsonDocument.Parse(json.Replace("~", """
            {"node_id": "1_1_1", "site": "blocks.1.hook_resid_pre", "feature_index": 1, "position": 1, "layer": "1", "feature": 1,
             "ctx_idx": 1}
            """));
        Assert.Contains(words, Assert.Throws<SubgraphException>(() => GraphPins.Read(document.RootElement, "graph.json")).Message);
    }

    private Subgraph Of(string run)
    {
        var nodes = runs.Picture(run).Nodes.Where(n => n is { IsMetric: false, IsError: false }).Take(5)
            .Select(n => new FeatureName(n.Site!.Name, n.Feature, n.Position < 0 ? null : n.Position)).ToList();
        return new Subgraph(nodes, [new(Hostile, [nodes[1], nodes[2]]), new("plain", [nodes[3]])],
            [new(nodes[0].Site, nodes[0].Feature, Hostile)], $"{Hostile}\nnotes");
    }

    private JsonNode Graph(string run, Subgraph subgraph)
    {
        var picture = RunPicture.Read(runs[run], new PictureLimits(150, 400) { Subgraph = subgraph });
        using var stream = new MemoryStream();
        GraphJson.Write(picture, stream);
        return JsonNode.Parse(Encoding.UTF8.GetString(stream.ToArray()))!;
    }

    private static Subgraph Read(JsonNode graph)
    {
        using var document = JsonDocument.Parse(graph.ToJsonString());
        return GraphPins.Read(document.RootElement, "graph.json");
    }

    private static void AssertSame(Subgraph expected, Subgraph actual)
    {
        Assert.Equal(expected.Pins.Select(p => p.Spelling).Order(), actual.Pins.Select(p => p.Spelling).Order());
        Assert.Equal(expected.Groups.Select(g => (g.Name, string.Join(' ', g.Nodes))),
            actual.Groups.Select(g => (g.Name, string.Join(' ', g.Nodes))));
        Assert.Equal(expected.Labels, actual.Labels);
        Assert.Equal(expected.Notes, actual.Notes);
    }
}
