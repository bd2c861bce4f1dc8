using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Transcoders from the command line: exported, drawn, shown, and refused where they do not go yet.</summary>
public sealed class TranscoderCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly string _model;

    public TranscoderCommandTests()
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        _model = _directory["model"];
        Verb.Run("export", "--checkpoint", golden.Checkpoint, "--dictionaries", golden.Transcoders, "--out", _model).Done();
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_graph_of_a_bundle_with_transcoders_only_is_of_the_replacement()
    {
        var printed = Graph("run", "--all", "--estimator", "frozen");
        Assert.Contains("conservation: largest |effect - sum of edges| over largest |effect| is", printed.Output);
        Assert.DoesNotContain("refined:", printed.Output);
        Assert.Contains("token@", printed.Output);
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!;
        Assert.Equal(("mlp", 1), ((string?)record["options"]!["replace"], (int?)record["options"]!["zero_positions"]));
        Assert.Null((int?)record["options"]!["refine"]);
        var without = Verb.Run("query", _directory["run"], "SELECT count(*) FROM edges WHERE weight IS NULL", "--format", "csv").Done();
        Assert.EndsWith("\n0", without.Output.TrimEnd());
    }

    [Fact]
    public void The_model_itself_is_drawn_where_nothing_is_to_be_replaced()
    {
        Graph("run", "--replace", "none", "--sites", "resid");
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!;
        Assert.Null(record["options"]!["replace"]);
        Assert.DoesNotContain("hook_embed", record["sites"]!.ToJsonString());
        Verb.Run("graph", "--model", _model, "--prompt", "abc", "--out", _directory["default"], "--replace", "none", "--no-page").Done();
        Assert.DoesNotContain("hook_embed", File.ReadAllText(Path.Combine(_directory["default"], "run.json")));
    }

    [Fact]
    public void Outputs_have_edges_scores_and_a_place_in_the_viewers_file()
    {
        var printed = Graph("run", "--targets", "top:3", "--prune", "influence", "--estimator", "frozen");
        Assert.Contains("outputs: ", printed.Output);
        Assert.Contains("replacement score ", printed.Output);
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!;
        Assert.Equal(3, record["outputs"]!.AsArray().Count);
        Assert.InRange((double)record["replacement_score"]!, 0, 1);
        Assert.InRange((double)record["completeness_score"]!, 0, 1);
        var targets = Verb.Run("query", _directory["run"], "SELECT count(DISTINCT target_id) FROM targets", "--format", "csv").Done();
        Assert.EndsWith("\n3", targets.Output.TrimEnd());
        Verb.Run("view", _directory["run"], "--live").Failed(1, "is of the replacement model", "take a run of sparse autoencoders");
        var json = _directory["graph.json"];
        Verb.Run("view", _directory["run"], "--format", "json", "--out", json).Done();
        var graph = JsonNode.Parse(File.ReadAllText(json))!;
        var nodes = graph["nodes"]!.AsArray().ToDictionary(n => (string)n!["node_id"]!, n => n!);
        Assert.Equal(3, nodes.Values.Count(n => (string?)n["feature_type"] == "logit"));
        var links = graph["links"]!.AsArray().Select(l => ((string)l!["source"]!, (string)l["target"]!)).ToList();
        Assert.All(links, l => Assert.True(nodes.ContainsKey(l.Item1) && nodes.ContainsKey(l.Item2)));
        Assert.Contains(links, l => l.Item1.StartsWith("E_", StringComparison.Ordinal));
        Assert.DoesNotContain(nodes.Values, n => (string?)n["site"] == "hook_embed");
    }

    [Fact]
    public void Labels_of_transcoders_stand_wherever_their_features_are_named()
    {
        Graph("before");
        var feature = int.Parse(Verb.Run("query", _directory["before"], "SELECT feature FROM nodes WHERE site = 'blocks.1.hook_mlp_out' "
            + "AND feature >= 0 AND kept ORDER BY abs(effect) DESC LIMIT 1", "--format", "csv").Done().Output.Split('\n')[1]);
        File.WriteAllText(_directory["labels.jsonl"], $$"""{"site": "1.mlp", "feature": {{feature}}, "label": "months"}""");
        Verb.Run("features", "--model", _model, "--import-labels", _directory["labels.jsonl"]).Done();
        Assert.Contains("'months'", Graph("run").Output);
        Assert.Contains("\"label\":\"months\"", Page("run"));
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"id": "a", "prompt": "abcd"}
            {"id": "b", "prompt": "abce"}
            """);
        Verb.Run("graph", "--model", _model, "--prompts", _directory["prompts.jsonl"], "--directories", "--out",
            _directory["many"], "--no-page").Done();
        foreach (var run in (string[])["run", "many/a", "many/merged"])
        {
            Verb.Run("view", _directory[run], "--format", "json", "--out", _directory["graph.json"], "--force").Done();
            var node = JsonNode.Parse(File.ReadAllText(_directory["graph.json"]))!["nodes"]!.AsArray()
                .First(n => (string?)n!["site"] == "blocks.1.hook_mlp_out" && (int)n["feature_index"]! == feature)!;
            Assert.Equal(("months", "months"), ((string?)node["clerp"], (string?)node["feature_label"]));   // layers are the model's
            var joined = Verb.Run("query", _directory[run],
                "SELECT DISTINCT feature, label FROM nodes JOIN labels USING (site, feature)", "--format", "csv").Done().Output
                .ReplaceLineEndings("\n");
            Assert.Equal($"feature,label\n{feature},months\n", joined);
        }
    }

    [Theory]
    [InlineData("--method ig", "--replace")]
    [InlineData("--refine 8", "--replace")]
    [InlineData("--edges exact", "--replace")]
    [InlineData("--heads", "--replace")]
    [InlineData("--estimator gim", "--replace")]
    [InlineData("--targets top:2 --aggregate sum", "--aggregate")]
    public void What_does_not_go_with_a_replacement_is_refused_in_one_line(string options, string word)
    {
        Verb.Run(["graph", "--model", _model, "--prompt", "abc", "--out", _directory["no"], "--no-page", .. options.Split(' ')])
            .Failed(1, word);
        Assert.False(Directory.Exists(_directory["no"]));
    }

    [Theory, InlineData("--targets top:2"), InlineData("--prune influence"), InlineData("--zero-positions 1"), InlineData("--replace mlp")]
    public void What_needs_a_replacement_is_refused_without_one(string options) =>
        Verb.Run(["graph", "--model", Repository.TinyModel, "--prompt", "abc", "--out", _directory["no"], .. options.Split(' ')])
            .Failed(1, "--replace");

    [Theory, InlineData("--targets", "10"), InlineData("--targets", "top:0"), InlineData("--prune", "all"), InlineData("--replace", "attn")]
    public void A_value_that_is_none_is_refused_by_its_option(string option, string value) =>
        Verb.Run("graph", "--model", _model, "--prompt", "abc", "--out", _directory["no"], option, value).Failed(2, option);

    [Fact]
    public void What_is_made_of_a_run_of_the_model_is_refused_of_a_replacement()
    {
        Graph("run");
        Verb.Run("ablate", "--model", _model, "--prompt", "abc", "--circuit", _directory["run"]).Failed(1, "local replacement model");
        Verb.Run("ablate", "--model", _model, "--faithfulness", _directory["run"]).Failed(1, "local replacement model");
    }

    [Fact]
    public void A_run_is_validated_in_the_replacement_and_in_the_real_model_and_every_table_says_which()
    {
        Graph("run", "--estimator", "frozen");
        var printed = Verb.Run("validate", _directory["run"], "--compare", "gradient,relp", "--sample", "40").Done().Output;
        foreach (var words in (string[])["real interventions in the replacement model, and of nodes in the real one",
            "all nodes, replacement model", "all edges, replacement model", "downstream activations, replacement model",
            "all nodes, real model", "nodes, real model",
            "nodes in the replacement model: share found", "nodes in the real model: share found",
            "Edges by pair of sites, in the replacement model", "exact, replacement model", "exact, real model"])
        {
            Assert.Contains(words, printed);
        }
        var validation = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!["validation"]!;
        Assert.Equal("replacement", (string?)validation["model"]);
        Assert.Equal(3, validation["in_real_model"]!["compared"]!.AsArray().Count);
        Assert.Equal((int)validation["nodes"]!["count"]!, (int)validation["in_real_model"]!["nodes"]!["count"]!);
        var counted = Verb.Run("query", _directory["run"],
            "SELECT model, \"check\", count(*) FROM validation WHERE estimator = 'frozen' GROUP BY ALL ORDER BY ALL",
            "--format", "csv").Done();
        Assert.Equal(["real,node,40", "replacement,edge,200", "replacement,node,40"],
            counted.Output.Trim().Split('\n').Skip(1).Select(l => l.Trim()));
        foreach (var figure in (string[])["validation", "cost-recall"])
        {
            Verb.Run("view", _directory["run"], "--figure", figure, "--out", _directory[figure + ".svg"]).Done();
        }
        Assert.Contains("40 nodes in the real model", File.ReadAllText(_directory["validation.svg"]));
        Assert.Contains("  tokens", printed);
        var limited = Verb.Run("validate", _directory["run"], "--fail-under", "pearson=1");
        Assert.Equal(1, limited.Code);
        Assert.Contains("pearson of nodes in the replacement model is", limited.Error);
    }

    [Fact]
    public void Zeroed_positions_and_further_sites_are_as_they_were_when_a_run_is_validated()
    {
        Graph("run", "--sites", "resid", "--zero-positions", "2", "--validate");
        var again = Verb.Run("validate", _directory["run"], "--all").Done().Output;
        Assert.DoesNotContain("active only in the run", again);
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!;
        Assert.Equal((int)record["nodes"]!, (int)record["validation"]!["nodes"]!["count"]!);
        Assert.Equal((int)record["edges"]!, (int)record["validation"]!["edges"]!["count"]!);
    }

    [Fact]
    public void What_a_graph_has_left_out_is_bounded_in_the_replacement_model()
    {
        Graph("run", "--top-nodes", "4", "--top-edges", "20");
        var printed = Verb.Run("validate", _directory["run"], "--bound").Done().Output;
        Assert.Contains("left out, in the replacement model, with 95 % confidence", printed);
        var certificate = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["run"], "run.json")))!["certificate"]!;
        Assert.Equal("replacement", (string?)certificate["model"]);
        Assert.True((double)certificate["nodes"]!["bound"]! >= (double)certificate["nodes"]!["largest"]!);
        Graph("certified", "--top-nodes", "4", "--certify");
    }

    [Theory, InlineData("ig"), InlineData("gim"), InlineData("atpstar"), InlineData("depth-1")]
    public void An_estimator_that_knows_no_transcoders_is_not_compared(string estimator)
    {
        Graph("run");
        Verb.Run("validate", _directory["run"], "--compare", estimator).Failed(1, estimator, "compare gradient, relp or frozen");
    }

    [Fact]
    public void Sums_are_refused_as_those_of_other_graphs_and_each_prompt_of_a_batch_is_validated()
    {
        Assert.Contains("│ tokens ", Graph("sum", "--aggregate", "sum").Output);
        Verb.Run("validate", _directory["sum"]).Failed(1, "summed over positions");
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"id": "a", "prompt": "abcd"}
            {"id": "b", "prompt": "efgh"}
            """);
        string[] many = ["graph", "--model", _model, "--prompts", _directory["prompts.jsonl"], "--directories", "--out",
            _directory["many"], "--no-page"];
        Verb.Run([.. many, "--prune", "influence"]).Failed(2, "--prune influence with --prompt");
        Verb.Run([.. many, "--validate", "--targets", "top:2"]).Done();
        var mean = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["many"], "merged", "mean", "run.json")))!;
        Assert.Null(mean["options"]!["targets"]);
        var drawn = _directory["mean.dot"];
        Verb.Run("view", Path.Combine(_directory["many"], "merged", "mean"), "--format", "dot", "--out", drawn).Done();
        Assert.Contains("metric=\"mean logit of 2 prompts\"", File.ReadAllText(drawn));
        Assert.Contains("label=\"tokens\"", File.ReadAllText(drawn));
        Verb.Run("validate", Path.Combine(_directory["many"], "merged", "mean")).Failed(1, "mean of many prompts");
        foreach (var id in (string[])["a", "b"])
        {
            var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["many"], id, "run.json")))!;
            Assert.NotNull(record["validation"]!["in_real_model"]);
            Assert.Equal(2, record["outputs"]!.AsArray().Count);
        }
    }

    [Fact]
    public void Verbs_of_dictionaries_that_rebuild_their_input_say_that_there_is_none()
    {
        foreach (var verb in (string[][])[["features", "--model", _model, "--text", _directory["t"]], ["sae", "check", "--model", _model]])
        {
            File.WriteAllText(_directory["t"], "abc def");
            var said = Verb.Run(verb);
            Assert.NotEqual(0, said.Code);
            Assert.Single(said.Error.TrimEnd().Split('\n'));
        }
    }

    private string Page(string run)
    {
        Verb.Run("view", _directory[run]).Done();
        return File.ReadAllText(Path.Combine(_directory[run], "graph.html"));
    }

    private Verb Graph(string run, params string[] options) =>
        Verb.Run(["graph", "--model", _model, "--prompt", "abcd", "--out", _directory[run], "--no-page", .. options]).Done();
}
