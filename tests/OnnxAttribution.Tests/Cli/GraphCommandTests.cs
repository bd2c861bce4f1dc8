using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

public sealed class GraphCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Stdout_has_tokens_probabilities_tables_shares_files_and_time()
    {
        var output = Graph("Hello", "--target", "x").Output;
        Assert.Contains("0 '<|endoftext|>'  1 'H'  2 'e'  3 'l'  4 'l'  5 'o'", output);
        Assert.Contains("next     '", output);
        Assert.Contains("metric   logit of 'x' after position 5: clean ", output);
        foreach (var part in (string[])["Strongest nodes", "Strongest edges", "Effect by site", "all sites", "nodes.parquet (",
            "edges.parquet (", "run.json (", "runtime calls", "GFLOP", "peak memory"])
        {
            Assert.Contains(part, output);
        }
        Assert.DoesNotContain("\x1b", output);   // no colours, and nothing cut off: this is no terminal
        Assert.DoesNotContain("…", output);
        Assert.DoesNotContain("conservation", output);
    }

    [Fact]
    public void All_edges_conserve_effects()
    {
        foreach (var sites in (string[])["resid", "resid,attn,mlp"])
        {
            Assert.Contains("conservation: ", Graph("Hello world", "--all", "--sites", sites, "--refine", "off", "--force").Output);
            var run = RunDirectory.Read(Out);
            Assert.InRange((double)run.Facts["conservation_violation"]!, 0, 1e-4);
            Assert.All(run.Nodes, n => Assert.True(n.Kept));
            // refined effects are those of linear edges no more
            Assert.Contains("(what linear edges leave of nodes that were really moved; with --refine off it is rounding)",
                Graph("Hello world", "--all", "--sites", sites, "--force").Output);
            Assert.True((double)RunDirectory.Read(Out).Facts["conservation_violation"]! > 1e-3);
        }
    }

    [Theory, InlineData("relp"), InlineData("frozen"), InlineData("gim")]
    public void Another_estimator_is_printed_recorded_and_conserves(string estimator)
    {
        Assert.DoesNotContain("estimator", Graph("Hello world", "--target", "x", "--refine", "off").Output);
        var truth = RunDirectory.Read(Out).Nodes.Select(n => n.Effect);
        Assert.Contains($", estimator {estimator}",
            Graph("Hello world", "--target", "x", "--all", "--estimator", estimator, "--force").Output);
        var run = RunDirectory.Read(Out);
        Assert.Equal(estimator, (string)run.Facts["options"]!["estimator"]!);
        Assert.InRange((double)run.Facts["conservation_violation"]!, 0, 1e-4);
        Assert.NotEqual(truth, run.Nodes.Select(n => n.Effect));
    }

    [Fact]
    public void Exact_edges_are_printed_and_recorded_and_every_reader_takes_them()
    {
        var output = Graph("Hello", "--target", "x", "--edges", "exact").Output;
        foreach (var part in (string[])[", exact edges", "change", "switched on, that is no nodes (down_feature -2): "])
        {
            Assert.Contains(part, output);
        }
        var run = RunDirectory.Read(Out);
        Assert.Equal("exact", (string)run.Facts["options"]!["edges"]!);
        Assert.Equal(run.SwitchedOn.Count, (int)run.Facts["switched_on"]!);
        Assert.NotEmpty(run.SwitchedOn);
        Assert.Contains(run.Edges.ToArray(), e => float.IsFinite(e.Change));
        foreach (var format in (string[])["html", "svg", "dot", "graphml", "json"])
        {
            Verb.Run("view", Out, "--format", format, "--out", _directory["graph." + format]).Done();
        }
        Assert.Contains($"{run.SwitchedOn.Count}",
            Verb.Run("query", Out, "SELECT count(*) FROM edges WHERE down_feature = -2").Done().Output);
        var printed = Verb.Run("validate", Out, "--sample", "40", "--compare", "gradient").Done().Output;
        // no edge is off by more than rounding
        var worst = printed[..printed.IndexOf("Whole sites", StringComparison.Ordinal)].Split("Farthest off").Skip(1).SelectMany(
            table => table.Split('\n').Where(line => line.StartsWith('│')).Skip(1));
        Assert.All(worst, row => Assert.Equal("", row.Split('│')[2].Trim()));
        foreach (var check in RunDirectory.ReadRows<ValidationRow>(Out, CancellationToken.None).Where(c => c.Check == "edge"))
        {
            if (check.Estimator == "gradient-refined-exact-edges") Assert.Equal(check.ExactEffect, check.ApproxEffect, 1e-4f);
            else Assert.Equal("gradient", check.Estimator);
        }
        Verb.Run("ablate", "--faithfulness", Out).Done();
    }

    [Theory, InlineData(32), InlineData(7, "--refine", "7"), InlineData(null, "--refine", "off"), InlineData(null, "--estimator", "relp"),
        InlineData(7, "--estimator", "relp", "--refine", "7"), InlineData(null, "--method", "ig"), InlineData(null, "--exact-depth", "0"),
        InlineData(null, "--method", "exact"), InlineData(100_000, "--refine", "100000")]
    public void The_strongest_nodes_are_refined_unless_another_estimate_is_chosen(int? expected, params string[] options)
    {
        var output = Graph("Hello", ["--sites", "resid", .. options]).Output;
        var run = RunDirectory.Read(Out);
        Assert.Equal(expected, (int?)run.Facts["options"]!["refine"]);
        if (!options.Contains("exact")) Assert.Equal(expected is not null, run.Nodes.Any(n => n.Method == "exact"));
        Assert.Equal(options.Contains("exact") || expected is not null, output.Contains("refined: "));
    }

    [Theory, InlineData("--estimator relp contradicts it", "--estimator", "relp"),
        InlineData("use --method ig or --method exact", "--metric", "kl")]
    public void Atpstar_takes_neither_another_estimator_nor_kl(string words, params string[] options) =>
        Verb.Run(["graph", "--model", "m", "--prompt", "p", "--out", Out, "--method", "atpstar", .. options]).Failed(2, words);

    [Fact]
    public void The_files_can_be_read_and_run_json_tells_all()
    {
        var args = new[] { "--patch-prompt", "Jelly", "--metric", "logit-diff", "--target", "x", "--foil", " ", "--method", "ig",
            "--steps", "3", "--top-nodes", "4", "--top-edges", "50", "--position", "3" };
        Graph("Hello", args);
        var run = RunDirectory.Read(Out);
        var facts = run.Facts;
        Assert.Equal("Hello", (string)facts["prompt"]!);
        Assert.Equal("Jelly", (string)facts["patch_prompt"]!);
        Assert.True((bool)facts["prepend_bos"]!);
        Assert.Equal([256, 39, 68, 75, 75, 78], facts["tokens"]!.AsArray().Select(t => (int)t!));
        Assert.Equal(["<|endoftext|>", "J", "e", "l", "l", "y"], facts["patch_token_strings"]!.AsArray().Select(t => (string)t!));
        Assert.Equal(("logit-diff", "x", " ", 3),
            ((string)facts["metric"]!, (string)facts["target"]!, (string)facts["foil"]!, (int)facts["position"]!));
        Assert.NotEqual((double)facts["clean_metric"]!, (double)facts["patch_metric"]!);
        Assert.Equal(10, facts["top_tokens"]!.AsArray().Count);
        Assert.Equal(7, facts["sites"]!.AsArray().Count);
        Assert.Equal(
            """{"method":"ig","estimator":"gradient","steps":3,"exact_depth":null,"refine":null,"top_nodes":4,"node_threshold":"""
            + """0,"top_errors":64,"top_edges":50,"edge_threshold":0,"prune":true,"edges":"jacobian","sign":"contribution",""" + "\""
            + """aggregate":"none","memory_bytes":1073741824}""",
            facts["options"]!.ToJsonString());
        AssertMeasured(facts);
        Assert.StartsWith("1.31", (string)facts["onnxruntime_version"]!);
        Assert.StartsWith("0.", (string)facts["version"]!);
        Assert.Equal(64, ((string)facts["bundle_sha256"]!).Length);
        Assert.Equal(("random2", model.Bundle, "cpu"), ((string)facts["model"]!, (string)facts["model_path"]!, (string)facts["device"]!));
        Assert.Contains("--foil ' ' --method ig", (string)facts["command_line"]!);
        AssertTables(run);
    }

    private static void AssertMeasured(JsonObject facts)
    {
        Assert.InRange((double)facts["explained_by_features"]!, 0.0, 1.0);
        Assert.Equal(7, facts["explained_by_site"]!.AsObject().Count);
        Assert.Null(facts["conservation_violation"]);
        foreach (var name in (string[])["runtime_calls", "operations", "seconds", "peak_memory_bytes", "threads"])
        {
            Assert.True((double)facts[name]! > 0, name);
        }
        foreach (var stage in (string[])["open", "passes", "dictionaries", "node_effects", "edges", "selection", "sessions"])
        {
            Assert.True((double)facts["timings"]![stage]! >= 0, stage);
        }
    }

    private static void AssertTables(StoredRun run)
    {
        var facts = run.Facts;
        Assert.Equal((run.Nodes.Count, run.Nodes.Count(n => n.Kept), run.Edges.Length),
            ((int)facts["nodes"]!, (int)facts["kept_nodes"]!, (int)facts["edges"]!));
        Assert.InRange(run.Edges.Length, 1, 50);
        Assert.Equal(3, run.MetricPosition);
        Assert.All(run.Nodes, n => Assert.Equal((string)facts["token_strings"]!.AsArray()[n.Position]!, n.Token));
        Assert.Contains(run.Nodes, n => n.PatchActivation > 0);
        foreach (var e in run.Edges.ToArray()) Assert.True(run.Nodes[e.Up].Kept && (e.Down == CausalEdge.Metric || run.Nodes[e.Down].Kept));
    }

    [Fact]
    public void Json_is_run_json_with_the_strongest_nodes_and_edges()
    {
        var json = JsonNode.Parse(Graph("Hello", "--json").Output)!.AsObject();
        foreach (var (name, value) in RunDirectory.Read(Out).Facts) Assert.True(JsonNode.DeepEquals(value, json[name]), name);
        Assert.NotEmpty(json["strongest_nodes"]!.AsArray());
        var edges = json["strongest_edges"]!.AsArray();
        Assert.Equal(edges.Select(e => Math.Abs((double)e!["effect"]!)).OrderDescending(),
            edges.Select(e => Math.Abs((double)e!["effect"]!)));
        Assert.Equal(["edges.parquet", "graph.html", "nodes.parquet", "run.json"],
            json["files"]!.AsArray().Select(f => Path.GetFileName((string)f!["path"]!)).Order(StringComparer.Ordinal));
        Assert.Equal("graph.html", Path.GetFileName((string)json["page"]!));
    }

    [Fact]
    public void A_summed_graph_is_the_sum_over_positions_in_sql()
    {
        Graph("Hello world", "--all");
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello world", "--all", "--aggregate", "sum", "--out", _directory["sum"])
            .Done();
        var query = new RunQuery([Out, _directory["sum"]]);
        foreach (var (table, key, values) in new[]
        {
            ("nodes", "site, feature", "sum(effect), sum(activation), sum(patch_activation), count(kept OR NULL) > 0"),
            ("edges", "up_site, up_feature, down_site, down_feature", "sum(effect)"),
        })
        {
            Dictionary<string, double[]> Rows(string run)
            {
                using var result =
                    query.Execute($"SELECT concat_ws('|', {key}) AS key, {values} FROM {table} WHERE run = '{run}' GROUP BY {key}");
                return result.Rows().ToDictionary(r => r[0]!,
                    r => r[1..].Select(v => v is "true" or "false" ? (v == "true" ? 1.0 : 0) : double.Parse(v!)).ToArray());
            }
            var (expected, actual) = (Rows("run"), Rows("sum"));
            Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
            var largest = expected.Values.Max(v => Math.Abs(v[0]));
            foreach (var (name, value) in expected)
            {
                for (var i = 0; i < value.Length; i++)
                {
                    Assert.True(Math.Abs(value[i] - actual[name][i]) <= 1e-6 * Math.Max(largest, Math.Abs(value[i])), name);
                }
            }
        }
        var summed = RunDirectory.Read(_directory["sum"]);
        Assert.All(summed.Nodes, n => Assert.Equal((-1, "", true), (n.Position, n.Token, float.IsNaN(n.Gradient))));
        Assert.Equal(-1, summed.MetricPosition);
    }

    [Fact]
    public void Sites_take_kinds_hook_names_and_the_other_name_of_a_residual_site()
    {
        Graph("Hello", "--sites", "mlp, blocks.0.hook_resid_post");
        Assert.Equal(["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"],
            RunDirectory.Read(Out).Facts["sites"]!.AsArray().Select(s => (string)s!));
    }

    [Fact]
    public void The_target_defaults_to_the_top_token_and_the_foil_to_the_next()
    {
        Graph("Hello", "--metric", "logit-diff");
        var facts = RunDirectory.Read(Out).Facts;
        Assert.Equal([(int)facts["target_id"]!, (int)facts["foil_id"]!],
            facts["top_tokens"]!.AsArray().Take(2).Select(t => (int)t!["id"]!));
        Assert.True((double)facts["clean_metric"]! > 0);
    }

    [Fact]
    public void Bos_comes_as_the_option_says()
    {
        Graph("Hello", "--prepend-bos", "false");
        var facts = RunDirectory.Read(Out).Facts;
        Assert.Equal(5, facts["tokens"]!.AsArray().Count);
        Assert.False((bool)facts["prepend_bos"]!);
    }

    [Fact]
    public void A_threshold_lifts_the_default_limit()
    {
        Graph("Hello", "--node-threshold", "1e-9", "--edge-threshold", "0", "--no-prune");
        var run = RunDirectory.Read(Out);
        Assert.Equal("null", run.Facts["options"]!["top_nodes"]?.ToJsonString() ?? "null");
        Assert.True(run.Edges.Length > 1000);
        Assert.All(run.Nodes, n => Assert.Equal(Math.Abs(n.Effect) >= 1e-9f, n.Kept));
    }

    [Theory]
    [InlineData("ig")]
    [InlineData("exact")]
    public void Kl_has_nodes_with_an_effect(string method)
    {
        Graph("Hello", "--metric", "kl", "--method", method);
        var run = RunDirectory.Read(Out);
        Assert.Contains(run.Nodes, n => n.Kept && n.Effect != 0);
        // its gradient at the clean run
        if (method == "exact") Assert.All(run.Nodes, n => Assert.True(n.IsErrorRow() || n.Gradient == 0));
        else Assert.Contains(run.Edges.ToArray(), e => e.Down == CausalEdge.Metric);
    }

    [Fact]
    public void A_prompt_may_look_like_an_option_or_a_file()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt=--help", "--out", Out).Done();
        Assert.Equal("--help", (string)RunDirectory.Read(Out).Facts["prompt"]!);
        Graph("@who", "--force");
        Assert.Equal("@who", (string)RunDirectory.Read(Out).Facts["prompt"]!);
    }

    private Verb Graph(string prompt, params string[] more) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", prompt, "--out", Out, .. more]).Done();
}

file static class Rows
{
    public static bool IsErrorRow(this NodeRow node) => node.Feature == NodeRow.Error;
}
