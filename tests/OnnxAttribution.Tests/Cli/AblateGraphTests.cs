using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>ablate</c> without a circuit: every active feature in turn.</summary>
public sealed class AblateGraphTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Stdout_has_the_prompt_tables_chains_files_and_time()
    {
        var output = Ablate("--sites", "resid", "--target", "x").Done().Output;
        foreach (var part in (string[])["0 '<|endoftext|>'  1 'H'", "metric   logit of 'x' after position 5: clean ",
            "features, each at all its positions together, activations × 0", "Strongest ablations", "Strongest edges",
            "chains of 2 edges or more", "0:", " → 1:", "tokens.parquet (", "nodes.parquet (", "runtime calls", "peak memory"])
        {
            Assert.Contains(part, output);
        }

        Assert.DoesNotContain("\x1b", output);
        Assert.DoesNotContain("chains",
            Ablate("--sites", "resid", "--min-path", "3", "--force").Done().Output.Replace("no chain of 3", ""));
    }

    [Theory, InlineData(), InlineData("--no-tokens")]
    public void A_coefficient_that_overflows_is_blamed_and_not_the_weights(params string[] more)
    {
        Ablate(["--sites", "resid", "--coefficient", "3e38", .. more])
            .Failed(1, "the activations of blocks.1.hook_resid_pre hold",
                "once activations are changed", "too large for float32", "a coefficient nearer to 1");
        Assert.False(Directory.Exists(Out));
    }

    [Theory, InlineData("0", -1), InlineData("0.5", -1), InlineData("-1", -1), InlineData("2", 1)]
    public void A_contribution_is_what_the_clean_value_does_whichever_way_activations_were_moved(string coefficient, int sign)
    {
        Ablate("--sites", "resid", "--coefficient", coefficient).Done();
        foreach (var table in (string[])["nodes", "edges"])
        {
            var rows = JsonNode.Parse(Verb.Run("query", Out, $"SELECT count(*) FILTER (effect <> 0) AS moved, "
                + $"count(*) FILTER (contribution <> {sign} * effect) AS wrong FROM {table}", "--json").Done().Output)![0]!;
            Assert.NotEqual(0, (int)rows["moved"]!);
            Assert.Equal(0, (int)rows["wrong"]!);
        }
    }

    [Fact]
    public void Parquet_has_the_columns_of_graph_and_the_changes_of_probabilities()
    {
        Ablate("--sites", "resid").Done();
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--out", _directory["graph"]).Done();
        foreach (var table in (string[])["nodes", "edges"])
        {
            Assert.Equal(Columns(_directory["graph"], table), Columns(Out, table));
        }
        Assert.Equal(["run", "site", "position", "feature", "direction", "rank", "token_id", "token", "clean_probability",
            "ablated_probability", "change"], Columns(Out, "tokens").Select(c => c.Split(' ')[0]));
        Assert.Equal("0", One("SELECT count(*) FROM edges WHERE jacobian IS NOT NULL"));
        Assert.Equal("0",
            One("SELECT count(*) FROM tokens WHERE abs(ablated_probability - clean_probability - change) > 1e-6 OR (direction = 'up') != "
                + "(change > 0) OR rank NOT BETWEEN 1 AND 10"));
        Assert.Equal("-1", One("SELECT string_agg(DISTINCT up_position::VARCHAR, ',') FROM edges"));
        Assert.Equal("0", One("SELECT count(*) FROM nodes WHERE effect IS NULL AND position = -1 OR effect != 0 AND position >= 0"));
        // each edge's ends are nodes that were kept
        Assert.Equal("0",
            One("SELECT count(*) FROM edges e LEFT JOIN nodes n ON n.site = e.up_site AND n.position = e.up_position AND n.feature = "
                + "e.up_feature WHERE n.kept IS NOT TRUE"));
    }

    [Fact]
    public void Run_json_tells_what_was_asked_and_what_an_effect_is()
    {
        Ablate("--sites", "resid", "--coefficient", "0.5", "--positions", "each", "--measure", "last", "--top-edges", "9",
            "--metric", "prob", "--position", "4").Done();
        var run = RunDirectory.Read(Out);
        var facts = run.Facts;
        Assert.Equal(("ablation", "change of the downstream activation", "change of the metric"),
            ((string)facts["kind"]!, (string)facts["effect_is"]!, (string)facts["node_effect_is"]!));
        Assert.Equal(
            """{"coefficient":0.5,"positions":"each","measure":"last","top_edges":9,"threshold":0,"min_path":2,"logits":"""
            + """true,"memory_bytes":1073741824}""",
            facts["options"]!.ToJsonString());
        Assert.Equal(("prob", 4, 3), ((string)facts["metric"]!, (int)facts["position"]!, facts["sites"]!.AsArray().Count));
        Assert.Equal((run.Nodes.Count, run.Edges.Length), ((int)facts["nodes"]!, (int)facts["edges"]!));
        Assert.True((long)facts["edges_seen"]! > run.Edges.Length && (int)facts["ablated_nodes"]! <= run.Nodes.Count);
        foreach (var name in (string[])["runtime_calls", "operations", "seconds", "peak_memory_bytes", "threads"])
        {
            Assert.True((double)facts[name]! > 0, name);
        }
        foreach (var chain in facts["chains"]!.AsArray())
        {
            Assert.Equal(chain!["effects"]!.AsArray().Count + 1, chain["nodes"]!.AsArray().Count);
        }
        Assert.All(run.Nodes, n => Assert.Equal(n.Activation / 2, n.PatchActivation));
        Assert.Contains("--coefficient 0.5", (string)facts["command_line"]!);
    }

    [Fact]
    public void Json_is_run_json_with_the_strongest_ablations()
    {
        var json = JsonNode.Parse(Ablate("--json").Done().Output)!.AsObject();
        foreach (var (name, value) in RunDirectory.Read(Out).Facts) Assert.True(JsonNode.DeepEquals(value, json[name]), name);
        Assert.Equal(12, json["strongest_nodes"]!.AsArray().Count);
        Assert.All(json["strongest_nodes"]!.AsArray(), n => Assert.NotEmpty(n!["tokens"]!.AsArray()));
        Assert.Equal(["edges.parquet", "graph.html", "nodes.parquet", "run.json", "tokens.parquet"],
            json["files"]!.AsArray().Select(f => Path.GetFileName((string)f!["path"]!)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Without_tokens_there_is_no_table_of_them_and_no_effect_of_a_node()
    {
        Ablate("--sites", "resid", "--no-tokens", "--threshold", "0.01", "--min-path", "1").Done();
        Assert.False(RunDirectory.HasTable(Out, TokenRow.Table));
        var run = RunDirectory.Read(Out);
        Assert.All(run.Nodes, n => Assert.True(float.IsNaN(n.Effect)));
        Assert.True(run.Edges.Length > 100);
        Assert.All(run.Edges.ToArray(), e => Assert.True(Math.Abs(e.Effect) >= 0.01f && e.Down != CausalEdge.Metric));
        Assert.Equal("0", One("SELECT count(effect) FROM nodes"));
    }

    [Fact]
    public void The_former_name_of_no_tokens_is_taken_with_a_line_that_says_so()
    {
        var run = Ablate("--sites", "resid", "--no-logits");
        Assert.Equal((0, "warning: --no-logits is called --no-tokens now; the next version does not know the old name"),
            (run.Code, run.Error.TrimEnd()));
        Assert.False(RunDirectory.HasTable(Out, TokenRow.Table));
        Assert.DoesNotContain("--no-logits", Verb.Run("ablate", "--help").Done().Output);
    }

    [Fact]
    public void Coefficient_one_leaves_no_edge()
    {
        Ablate("--coefficient", "1").Done();
        var run = RunDirectory.Read(Out);
        Assert.Equal(0, run.Edges.Length);
        Assert.All(run.Nodes, n => Assert.Equal((0f, false), (n.Effect, n.Kept)));
    }

    [Fact]
    public void Where_there_can_be_no_chain_it_says_why()
    {
        var one = Ablate("--sites", "blocks.1.hook_mlp_out").Done().Output;
        Assert.Contains("no chain: there is one site only", one);
        Assert.DoesNotContain("Strongest edges", one);
        Assert.Contains("no chain: activations × 1 are what they were", Ablate("--coefficient", "1", "--force").Done().Output);
        Assert.Contains("no chain of 9 edges or more: lower --min-path", Ablate("--min-path", "9", "--force").Done().Output);
    }

    [Fact]
    public void A_line_of_a_file_that_cannot_be_used_is_told_before_anything_is_run()
    {
        var file = _directory["prompts.jsonl"];
        File.WriteAllLines(file, ["""{"prompt": "Hello"}""", """{"prompt": "World", "target": "no", "id": "w"}"""]);
        foreach (var more in (string[][])[["--out", Out], ["--circuit", "0:1"]])
        {
            Verb.Run(["ablate", "--model", model.Bundle, "--prompts", file, .. more])
                .Failed(1, "prompts.jsonl, prompt 'w'", "the target 'no'", "(--target)");
        }
        Assert.False(Directory.Exists(Out));
        File.WriteAllText(file, "nonsense");
        Assert.DoesNotContain("LineNumber", Verb.Run("ablate", "--model", model.Bundle, "--prompts", file, "--out", Out)
            .Failed(1, "prompts.jsonl, line 1", "no JSON object").Error);
    }

    [Fact]
    public void Many_prompts_are_a_run_each()
    {
        File.WriteAllLines(_directory["prompts.jsonl"], ["""{"prompt": "Hello", "target": "x", "id": "one"}""", """{"prompt": "World"}"""]);
        string[] args = ["ablate", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--sites", "resid",
            "--out", Out, "--json"];
        var json = JsonNode.Parse(Verb.Run(args).Done().Output)!;
        Assert.Equal(["one", "2"], json["runs"]!.AsArray().Select(r => (string)r!["id"]!));
        Assert.Equal(["2", "one"], Directory.GetDirectories(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Verb.Run(args).Failed(1, Path.Combine(Out, "one"), "--force");
        File.WriteAllLines(_directory["prompts.jsonl"], ["""{"prompt": "Hello", "patch_prompt": "Jelly"}"""]);
        Verb.Run([.. args, "--force"]).Failed(1, "patch prompt", "leave it out");
    }

    [Theory]
    [InlineData(2, "--coefficient cannot be 'much'", "--coefficient", "much")]
    [InlineData(2, "--coefficient cannot be 'Infinity'", "--coefficient", "Infinity")]
    [InlineData(2, "--positions cannot be 'first'", "--positions", "first")]
    [InlineData(2, "--threshold cannot be '-1'", "--threshold", "-1")]
    [InlineData(2, "--min-path 0 is too little", "--min-path", "0")]
    [InlineData(2, "--seed has no meaning here", "--seed", "1")]
    [InlineData(2, "contradict each other", "--prompts", "f")]
    [InlineData(1, "'resid'", "--sites", "residual")]
    [InlineData(1, "(--position)", "--position", "6")]
    [InlineData(1, "2 tokens", "--target", "no")]
    public void Wrong_usage_is_told_in_a_line(int code, string words, params string[] args)
    {
        Ablate(args).Failed(code, words);
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public void An_empty_prompt_a_missing_out_and_a_run_in_the_way_are_told()
    {
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "", "--out", Out).Failed(2, "--prompt is empty");
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "a").Failed(2, "--out is missing");
        Ablate("--sites", "resid").Done();
        Ablate("--sites", "resid").Failed(1, Out, "--force");
        Ablate("--sites", "resid", "--force").Done();
    }

    [Fact]
    public void Cancelling_leaves_nothing()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Verb.Run(cancel.Token, "ablate", "--model", model.Bundle, "--prompt", "Hello", "--out", Out).Failed(130, "cancelled");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    private Verb Ablate(params string[] more) =>
        Verb.Run([.. (string[])["ablate", "--model", model.Bundle, "--prompt", "Hello", "--out", Out], .. more]);

    private string One(string sql)
    {
        using var result = new RunQuery([Out]).Execute(sql);
        return result.Rows().Single()[0]!;
    }

    private static List<string> Columns(string run, string table)
    {
        using var result = new RunQuery([run]).Execute($"SELECT column_name || ' ' || column_type FROM (DESCRIBE {table})");
        return [.. result.Rows().Select(r => r[0]!)];
    }
}
