using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>ablate --circuit subgraph.json</c> and <c>view --subgraph</c>.</summary>
public sealed class SubgraphCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    // two ways of computing the same in float32
    private const double Rounding = 2e-4;

    private readonly TemporaryDirectory _directory = new();

    private string Run => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(false), InlineData(true)]
    public void A_group_of_one_node_has_the_nodes_exact_effect(bool patched)
    {
        Graph([.. patched ? ["--patch-prompt", "Jelly"] : (string[])[], "--method", "exact"]);
        var nodes = RunDirectory.Read(Run).Nodes.Where(n => n.Kept).ToList();
        Assert.Contains(nodes, n => n.Feature == NodeRow.Error);
        var result = Ablate(Save([], [.. nodes.Select((n, i) => ($"group {i}", (IReadOnlyList<string>)[Spelt(n)]))]));
        var groups = result["groups"]!.AsArray();
        Assert.Equal(nodes.Count, groups.Count);
        foreach (var (node, group) in nodes.Zip(groups))
        {
            var rounding = Rounding * Math.Max(1, Math.Abs(node.Effect));
            Assert.Equal(node.Effect, (double)group!["effect"]!, rounding);
            Assert.Equal(node.Effect, (double)group["summed_effect"]!, rounding);
        }
    }

    [Fact]
    public void A_group_does_what_ablating_its_nodes_together_does_and_stands_beside_the_sum_of_the_runs_effects()
    {
        Graph();
        var nodes = RunDirectory.Read(Run).Nodes.Where(n => n.Kept).OrderByDescending(n => Math.Abs(n.Effect)).Take(9).ToList();
        List<(string, IReadOnlyList<string>)> groups = [("first", [.. nodes.Take(4).Select(Spelt)]), ("second",
            [.. nodes.Skip(4).Take(4).Select(Spelt)])];
        var result = Ablate(Save([Spelt(nodes[8])], groups));
        Assert.Equal(["first", "second", Spelt(nodes[8])], result["groups"]!.AsArray().Select(g => (string)g!["name"]!));
        Assert.Equal([false, false, true], result["groups"]!.AsArray().Select(g => (bool)g!["single"]!));
        foreach (var (i, members) in ((NodeRow[][])[[.. nodes.Take(4)], [.. nodes.Skip(4).Take(4)], [nodes[8]]]).Index())
        {
            var text = string.Join(';', members.Select(Spelt));
            var together = JsonNode.Parse(Verb.Run("ablate", "--model", model.Bundle, "--circuit", text, "--prompt", "Hello", "--metric",
                "logprob", "--target", "x", "--position", "4", "--controls", "0", "--json").Done().Output)!["prompts"]![0]!;
            var group = result["groups"]![i]!;
            Assert.Equal((double)together["ablated_metric"]! - (double)together["clean_metric"]!, (double)group["effect"]!, 1e-5);
            Assert.Equal(members.Sum(n => (double)n.Effect), (double)group["summed_effect"]!, 1e-5);
            Assert.Equal(members.Select(Spelt).Order(), group["nodes"]!.AsArray().Select(n => (string)n!).Order());
            var ofPrompt = result["prompts"]![0]!["groups"]![i]!;
            Assert.Equal((double)group["effect"]!, (double)ofPrompt["effect"]!, 1e-12);
            Assert.Equal(members.Length, (int)ofPrompt["active_size"]!);
        }
        // the circuit is all of them, its errors too
        Assert.Equal(9, (int)result["prompts"]![0]!["size"]!);
        Assert.Equal("prompt, metric, target, position", (string)result["taken_from_run"]!);
        var output = Verb.Run("ablate", "--circuit", _directory["run/subgraph.json"]).Done().Output;
        Assert.Contains("Each group taken away alone", output);
        Assert.Contains("sum of effects", output);
    }

    [Fact]
    public void Estimates_stand_beside_only_where_the_same_is_asked()
    {
        Graph();
        var node = Spelt(RunDirectory.Read(Run).Nodes.First(n => n.Kept && n.Feature >= 0));
        var file = Save([], [("g", [node])]);
        JsonNode? Summed(params string[] more) => Ablate(file, more)["groups"]![0]!["summed_effect"];
        Assert.NotNull(Summed());
        foreach (var other in (string[][])[["--metric", "prob"], ["--target", "z"], ["--position", "5"], ["--coefficient", "0.5"],
            ["--prompt", "Jelly"]])
        {
            Assert.Null(Summed(other));
        }
        // all but the circuit is no group, which is said
        var kept = Ablate(file, "--keep");
        Assert.Null(kept["groups"]);
        var note = $"groups of {file} are not measured with --keep; leave it out to have each taken away alone";
        Assert.Equal(note, (string)kept["note"]!);
        Assert.Contains($"note     {note}", Verb.Run("ablate", "--circuit", file, "--keep", "--controls", "0").Done().Output);
        Assert.Null(Ablate(file)["note"]);
        Assert.Null(Ablate(Run, "--keep")["note"]);
    }

    [Fact]
    public void The_run_is_found_beside_the_file_or_where_the_file_says_and_none_other_is_taken_for_it()
    {
        Graph();
        var node = Spelt(RunDirectory.Read(Run).Nodes.First(n => n.Kept && n.Feature >= 0));
        var beside = Save([node], [], said: null);
        Assert.Equal("logprob", (string)Ablate(beside)["metric"]!);
        var away = Path.Combine(Directory.CreateDirectory(_directory["away"]).FullName, "subgraph.json");
        File.Copy(Save([node], [], said: Run), away);
        Assert.Equal("logprob", (string)Ablate(away)["metric"]!);
        File.Copy(Save([node], [], said: "../run"), away, overwrite: true);
        Assert.Equal("logprob", (string)Ablate(away)["metric"]!);
        File.Copy(Save([node], [], said: "gone/run"), away, overwrite: true);
        Verb.Run("ablate", "--circuit", away).Failed(1, away, "of the run gone/run, which is not there", "(--model or --prompt)");
        Verb.Run("ablate", "--circuit", away, "--model", model.Bundle).Failed(1, away, "gone/run");
        File.Copy(Save([node], [], said: Run, finished: "2001-01-01T00:00:00Z"), away, overwrite: true);
        Verb.Run("ablate", "--circuit", away).Failed(1, away, "is another by now");
        // with model and prompt it needs no run
        Assert.Null(JsonNode.Parse(Verb.Run("ablate", "--circuit", away, "--model", model.Bundle, "--prompt", "Hello", "--json").Done()
            .Output)!["groups"]![0]!["summed_effect"]);
        File.WriteAllText(away, "{}");
        Verb.Run("ablate", "--circuit", away).Failed(1, away, "no \"format\"");
    }

    [Fact]
    public void A_text_lists_error_nodes_too()
    {
        var of = (string circuit) => (double)JsonNode.Parse(Verb.Run("ablate", "--model", model.Bundle, "--circuit", circuit, "--prompt",
            "Hello", "--json").Done().Output)!["prompts"]![0]!["ablated_metric"]!;
        Assert.NotEqual(of("0:14@3"), of("0:14@3;0:error@3"), 1e-4);
        Assert.Equal(of("0:error@3"), of("0.resid:error@3"));
        Assert.Contains("circuit  2 nodes at 1 site (0:14; 0:error@3): activations × 0",
            Verb.Run("ablate", "--model", model.Bundle, "--circuit", "0:14;0:error@3", "--prompt", "Hello").Done().Output);
    }

    [Fact]
    public void The_other_errors_of_a_site_are_those_of_the_positions_without_a_node()
    {
        Graph("--top-errors", "1");
        var nodes = RunDirectory.Read(Run).Nodes;
        var lump = nodes.First(n => n is { Feature: NodeRow.Error, Position: < 0, Kept: true });
        var own = nodes.Where(n => n.Site == lump.Site && n is { Feature: NodeRow.Error, Position: >= 0 }).Select(n => n.Position).ToList();
        var group = Ablate(Save([], [("others", [FeatureName.Of(lump.Site, -1)])]));
        Assert.Equal(lump.Effect, (double)group["groups"]![0]!["summed_effect"]!, 1e-6);
        var others = Enumerable.Range(0, 6).Except(own).Select(t => FeatureName.Of(lump.Site, -1, t)).ToList();
        Assert.Equal(others.Count, (int)group["prompts"]![0]!["groups"]![0]!["active_size"]!);
        var together = Ablate(Save([], [("others", others)]));
        Assert.Equal((double)together["groups"]![0]!["effect"]!, (double)group["groups"]![0]!["effect"]!, 1e-6);
    }

    [Fact]
    public void A_merged_runs_groups_are_moved_in_each_of_its_prompts()
    {
        File.WriteAllLines(_directory["prompts.jsonl"], ["""{"prompt": "Hello", "target": "x", "id": "a"}""", """{"prompt": "Jelly"}"""]);
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--no-page", "--out",
            _directory["many"]).Done();
        var mean = _directory["many/merged/mean"];
        var node = RunDirectory.Read(mean).Nodes.First(n => n.Kept && n.Feature >= 0);
        var result = Ablate(Save([], [("g", [Spelt(node)])], said: _directory["many/merged"], at: _directory["merged.json"]));
        var group = result["groups"]![0]!;
        Assert.Equal(node.Effect, (double)group["summed_effect"]!, 1e-6);
        Assert.Equal(result["prompts"]!.AsArray().Average(p => (double)p!["groups"]![0]!["effect"]!), (double)group["effect"]!, 1e-9);
        var output = Verb.Run("ablate", "--circuit", _directory["merged.json"]).Done().Output;
        Assert.Contains("Mean of 2 prompts", output);
        Assert.Equal(2, output.Split("Each group taken away alone").Length - 1);
    }

    [Fact]
    public void Names_in_a_subgraph_steer_no_terminal()
    {
        Graph();
        var node = Spelt(RunDirectory.Read(Run).Nodes.First(n => n.Kept && n.Feature >= 0));
        var output = Verb.Run("ablate", "--circuit", Save([], [("\u001b[31m[red]x[/] \u202e", [node])])).Done().Output;
        Assert.DoesNotContain('\u001b', output);
        Assert.Contains("\\u001B[31m[red]x[/] \\u202E", output);
    }

    [Fact]
    public void A_page_and_graph_json_have_the_subgraph_and_graph_json_gives_it_back()
    {
        Graph();
        var nodes = RunDirectory.Read(Run).Nodes.Where(n => n.Kept).Take(3).ToList();
        var file = Save([Spelt(nodes[0])], [("a group", [Spelt(nodes[1]), Spelt(nodes[2])])]);
        var page = _directory["page.html"];
        Verb.Run("view", Run, "--subgraph", file, "--out", page).Done();
        var data = PageOf(page);
        Assert.Equal("a group", (string)data["subgraph"]!["groups"]![0]!["name"]!);
        Assert.Equal(3, data["subgraph"]!["pins"]!.AsArray().Count);
        var graph = _directory["graph.json"];
        Verb.Run("view", Run, "--subgraph", file, "--out", graph).Done();
        var state = JsonNode.Parse(File.ReadAllText(graph))!["qParams"]!;
        Assert.Equal(4, state["pinnedIds"]!.AsArray().Count);   // and the output
        Assert.Equal("a group", (string)state["supernodes"]![0]![0]!);
        Assert.Equal("my notes", (string)state["notes"]!);
        // back by way of the graph JSON: the same page but for where it came from
        var again = _directory["again.html"];
        Verb.Run("view", Run, "--subgraph", graph, "--out", again).Done();
        Assert.True(JsonNode.DeepEquals(data["subgraph"], PageOf(again)["subgraph"]), $"{data["subgraph"]}\n{PageOf(again)["subgraph"]}");
        // without one there is none
        Verb.Run("view", Run, "--out", page, "--force").Done();
        Assert.Null(PageOf(page)["subgraph"]);
    }

    [Fact]
    public void Graph_json_with_pins_and_supernodes_is_a_circuit_as_its_subgraph_is()
    {
        Graph();
        var nodes = RunDirectory.Read(Run).Nodes.Where(n => n.Kept && n.Feature >= 0).Take(3).ToList();
        var file = Save([Spelt(nodes[0])], [("a group", [Spelt(nodes[1]), Spelt(nodes[2])])]);
        var graph = Path.Combine(Run, "graph.json");
        Verb.Run("view", Run, "--subgraph", file, "--out", graph).Done();
        var (expected, found) = (Ablate(file)["groups"]!.AsArray(), Ablate(graph)["groups"]!.AsArray());
        Assert.Equal(["a group", Spelt(nodes[0])], found.Select(g => (string)g!["name"]!));
        foreach (var (one, other) in expected.Zip(found))
        {
            Assert.Equal(one!["nodes"]!.AsArray().Select(n => (string)n!), other!["nodes"]!.AsArray().Select(n => (string)n!));
            Assert.Equal((double)one["effect"]!, (double)other["effect"]!, 1e-5);
            Assert.Equal((double)one["summed_effect"]!, (double)other["summed_effect"]!, 1e-5);
        }
        // elsewhere it has no run, and without pins it is no circuit
        var away = _directory["away.json"];
        File.Copy(graph, away);
        Verb.Run("ablate", "--circuit", away).Failed(1, away, "does not say which run", "(--model or --prompt)");
        Assert.Equal(2, JsonNode.Parse(Verb.Run("ablate", "--circuit", away, "--model", model.Bundle, "--prompt", "Hello", "--json").Done()
            .Output)!["groups"]!.AsArray().Count);
        Verb.Run("view", Run, "--out", graph, "--force").Done();
        Verb.Run("ablate", "--circuit", graph).Failed(1, graph, "pins no node");
    }

    [Fact]
    public void A_subgraph_of_other_nodes_is_refused_and_chosen_nodes_are_drawn_whatever_the_limits()
    {
        Graph();
        var page = _directory["page.html"];
        Verb.Run("view", Run, "--subgraph", Save(["1:3@77"], []), "--out", page)
            .Failed(1, "subgraph.json pins 1:3@77, which is no node of", Run, "saved from");
        Verb.Run("view", Run, "--subgraph", _directory["no.json"], "--out", page).Failed(1, "no.json cannot be read as a subgraph");
        Verb.Run("view", Run, "--format", "svg", "--subgraph", _directory["no.json"]).Failed(2, "--subgraph goes with a page");
        var weakest = RunDirectory.Read(Run).Nodes.Where(n => n.Kept).MinBy(n => Math.Abs(n.Effect));
        Verb.Run("view", Run, "--nodes", "2", "--edges", "2", "--subgraph", Save([Spelt(weakest)], []), "--out", page).Done();
        Assert.Single(PageOf(page)["subgraph"]!["pins"]!.AsArray());
    }

    private void Graph(params string[] more) => Verb.Run(["graph", "--model", model.Bundle, "--prompt", "Hello", "--target", "x",
        "--metric", "logprob", "--position", "4", "--top-nodes", "3", "--no-page", "--out", Run, .. more]).Done();

    private static JsonNode Ablate(string file, params string[] more) =>
        JsonNode.Parse(Verb.Run(["ablate", "--circuit", file, "--controls", "0", "--json", .. more]).Done().Output)!;

    private static string Spelt(NodeRow node) => FeatureName.Of(node.Site, node.Feature, node.Position);

    private static JsonNode PageOf(string file) =>
        JsonNode.Parse(File.ReadAllText(file).Split("<script type=\"application/json\" id=\"data\">")[1].Split("</script>")[0])!;

    private string Save(IReadOnlyList<string> pins, IReadOnlyList<(string Name, IReadOnlyList<string> Nodes)> groups, string? said = null,
        string? finished = null, string? at = null)
    {
        var file = at ?? Path.Combine(Run, "subgraph.json");
        var subgraph = new Subgraph([.. pins.Select(FeatureName.ParseNode)],
            [.. groups.Select(g => new SubgraphGroup(g.Name, [.. g.Nodes.Select(FeatureName.ParseNode)]))], [], "my notes")
        {
            Run = said is null ? null : new(said, finished, null, null, null)
        };
        using var output = File.Create(file);
        SubgraphFile.Write(subgraph, output);
        return file;
    }
}
