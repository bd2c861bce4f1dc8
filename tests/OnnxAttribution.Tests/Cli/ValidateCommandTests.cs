using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb validate, and graph --validate.</summary>
public sealed class ValidateCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Run => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_run_of_ablate_is_not_validated()
    {
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "Hello", "--out", Run).Done();
        Verb.Run("validate", Run).Failed(1, Run, "exact", "'onnx-attribution graph'");
    }

    [Fact]
    public void A_run_gets_a_row_per_check_and_a_summary()
    {
        Graph();
        var before = File.ReadAllText(Path.Combine(Run, "run.json"));
        var printed = Verb.Run("validate", Run, "--sample", "30").Done().Output;
        Assert.All((string[])["gradient, refined (N = 32), against", "30 nodes, 150 edges", "all nodes", "resid features",
            "Edges by pair of sites", "Farthest off", "Whole sites", "validation.parquet"], w => Assert.Contains(w, printed));
        var facts = Facts();
        Assert.Equal("gradient-refined", (string)facts["validation"]!["estimator"]!);
        Assert.Equal(30, (int)facts["validation"]!["nodes"]!["count"]!);
        Assert.Equal(7, facts["validation"]!["conservation"]!["sites"]!.AsArray().Count);
        // nothing else of run.json has changed
        facts.Remove("validation");
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(before), facts));
        var table = RunDirectory.ReadTable(Run, "validation");
        Assert.Equal(
            ["check", "stratum", "estimator", "up_site", "up_position", "up_feature", "down_site", "down_position", "down_feature",
                "approx_change", "exact_change", "approx_effect", "exact_effect", "model"],
            table.Columns.Select(c => c.Name));
        Assert.Equal(180, table.Count);
        // a node has no downstream end, and no activation to change
        const string OfNodes =
            """SELECT count(*) AS n FROM validation WHERE "check" = 'node' AND coalesce(down_site, down_position::VARCHAR,"""
            + """ down_feature::VARCHAR, approx_change::VARCHAR) IS NULL""";
        Assert.Equal(30, (int)JsonNode.Parse(QueryText(OfNodes))!.AsArray()[0]!["n"]!);
        // what is stored is what is judged
        const string Sql = """
            SELECT count(*) AS checks, count(v.exact_effect) AS exact, max(abs(v.approx_effect - e.effect)) AS off FROM validation v
            JOIN edges e ON (v.up_site, v.up_position, v.up_feature, v.down_site, v.down_position)
                    = (e.up_site, e.up_position, e.up_feature, e.down_site, e.down_position)
                AND v.down_feature IS NOT DISTINCT FROM e.down_feature WHERE v."check" = 'edge' AND v.stratum <> 'dropped'
            """;
        var joined = JsonNode.Parse(QueryText(Sql))!.AsArray()[0]!;
        Assert.Equal((100, 100, 0.0), ((int)joined["checks"]!, (int)joined["exact"]!, (double)joined["off"]!));
    }

    [Fact]
    public void All_of_a_run_is_checked_and_estimators_are_compared()
    {
        Graph("--all", "--sites", "resid", "--refine", "off");
        var facts = Facts();
        string[] names = ["gradient", "ig", "relp", "frozen", "gim", "atpstar"];
        var validation = JsonNode.Parse(Verb.Run("validate", Run, "--all", "--compare", string.Join(',', names), "--steps", "3", "--json")
            .Done().Output)!["validation"]!;
        Assert.Equal(((int)facts["nodes"]!, (int)facts["edges"]!),
            ((int)validation["nodes"]!["count"]!, (int)validation["edges"]!["count"]!));
        Assert.Null(validation["sample"]);
        Assert.Equal(names, validation["compared"]!.AsArray().Select(c => (string)c!["estimator"]!));
        var costs = validation["cost_recall"]!.AsArray();
        Assert.Equal(names, costs.Select(c => (string)c!["estimator"]!));
        var passes = costs.ToDictionary(c => (string)c!["estimator"]!, c => (double)c!["passes"]!);
        Assert.Equal((double)facts["effect_passes"]!, passes["gradient"]);
        Assert.True(passes["gradient"] < passes["atpstar"] && passes["gradient"] < passes["ig"]);
        Assert.All(costs, c =>
        {
            int[] ranks = [.. c!["ranks"]!.AsArray().Select(r => (int)r!)];
            Assert.Equal((int)c["top"]!, ranks.Length);
            Assert.Equal(ranks.Distinct().Order(), ranks);
            Assert.InRange(ranks[^1], ranks.Length, (int)facts["nodes"]!);
        });
        Assert.Equal(6 * ((int)facts["nodes"]! + (int)facts["edges"]!), RunDirectory.ReadTable(Run, "validation").Count);
        Assert.True(JsonNode.DeepEquals(Facts()["validation"], validation));
    }

    [Theory]
    [InlineData("ig", "--method", "ig", "--steps", "3")]
    [InlineData("exact", "--method", "exact")]
    [InlineData("relp", "--estimator", "relp")]
    [InlineData("gim", "--estimator", "gim")]
    [InlineData("atpstar", "--method", "atpstar")]
    [InlineData("ig", "--method", "ig", "--metric", "kl", "--patch-prompt", "JApG")]
    [InlineData("exact", "--method", "exact", "--metric", "kl")]
    public void Every_kind_of_run_can_be_validated(string estimator, params string[] options)
    {
        Graph(options);
        var validation = JsonNode.Parse(Verb.Run("validate", Run, "--sample", "12", "--json").Done().Output)!["validation"]!;
        Assert.Equal(estimator, (string)validation["estimator"]!);
        Assert.Equal(12, (int)validation["nodes"]!["count"]!);
        if (estimator == "exact") Assert.InRange((double)validation["nodes"]!["pearson"]!, 0.9999, 1);
        Verb.Run("validate", Run, "--sample", "12").Done();
    }

    [Fact]
    public void Cost_and_recall_are_printed_and_drawn()
    {
        Graph();
        Verb.Run("view", Run, "--figure", "cost-recall", "--out", _directory["none.svg"])
            .Failed(1, "not validated against other estimators", "compare some", "onnx-attribution validate");
        var printed = Verb.Run("validate", Run, "--sample", "30", "--compare", "gim,atpstar").Done().Output;
        Assert.Contains("The strongest 30 nodes: share found, and cost in forward passes", printed);
        Verb.Run("view", Run, "--figure", "cost-recall", "--out", _directory["costs.svg"]).Done();
        var svg = File.ReadAllText(_directory["costs.svg"]);
        Assert.All((string[])["gradient", "gim", "atpstar", "patched in random order, on average"], w => Assert.Contains(w, svg));
    }

    [Theory, InlineData("logit"), InlineData("kl")]
    public void What_lies_after_the_metrics_position_is_not_drawn(string metric)
    {
        Graph("--method", "ig", "--steps", "2", "--metric", metric, "--patch-prompt", "KApF", "--position", "2");
        Verb.Run("validate", Run, "--sample", "60").Done();
        var table = RunDirectory.ReadTable(Run, "validation");
        Assert.Contains("dropped", table.Values<string?>("stratum"));
        Assert.All(table.Values<int?>("up_position"), p => Assert.InRange(p!.Value, 0, 2));
        Assert.All(table.Values<int?>("down_position"), p => Assert.True(p is null or <= 2));
    }

    [Fact]
    public void Graph_validates_in_the_same_command_one_prompt_or_many()
    {
        var printed = Verb.Run("graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run, "--validate").Done().Output;
        Assert.Contains("Approximate against exact", printed);
        Assert.True(RunDirectory.HasTable(Run, "validation"));
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"prompt": "JApF", "id": "a"}
            {"prompt": "Hello", "id": "b"}
            """);
        printed = Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories",
            "--out", _directory["many"],
            "--validate").Done().Output;
        Assert.Contains("Pearson", printed);
        Assert.All((string[])["a", "b"], id => Assert.True(RunDirectory.HasTable(Path.Combine(_directory["many"], id), "validation")));
        Verb.Run("validate", Path.Combine(_directory["many"], "merged")).Failed(1, "mean of many prompts", "one by one");
    }

    [Fact]
    public void Scripts_can_set_limits()
    {
        Graph("--refine", "off");
        Verb.Run("validate", Run, "--sample", "20", "--fail-under", "pearson=-1", "--fail-under", "sign=0").Done();
        var failed = Verb.Run("validate", Run, "--sample", "20", "--fail-under", "pearson=1", "--fail-under", "recall=-1");
        Assert.Equal(1, failed.Code);
        Assert.Contains("pearson of nodes is 0.", failed.Error);
        Assert.Contains("all nodes", failed.Output);
        Assert.Single(failed.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public void Where_nothing_could_be_checked_no_limit_is_reached()
    {
        Graph("--patch-prompt", "JApF");
        Assert.Contains(": 0 nodes, 0 edges", Verb.Run("validate", Run).Done().Output);
        var failed = Verb.Run("validate", Run, "--fail-under", "pearson=-1");
        Assert.Equal((1, true), (failed.Code, failed.Error.Contains("nothing to check")));
    }

    [Theory]
    [InlineData("--sample 0 is too little", "--sample", "0")]
    [InlineData("--sample cannot be 'x'", "--sample", "x")]
    [InlineData("--all draws no sample", "--all", "--seed", "3")]
    [InlineData("Did you mean 'pearson'", "--fail-under", "person=0.9")]
    [InlineData("such as pearson=0.9", "--fail-under", "nonsense")]
    [InlineData("cannot be 'NaN'", "--fail-under", "pearson=NaN")]
    [InlineData("cannot be '7'", "--fail-under", "pearson=0.5", "--fail-under", "recall=7")]
    [InlineData("Did you mean 'relp'", "--compare", "gradient,relpp")]
    [InlineData("Did you mean 'exact-depth'", "--compare", "exact")]
    [InlineData("Did you mean 'atpstar'", "--compare", "atp")]
    [InlineData("Did you mean 'gim'", "--compare", "GIM")]
    [InlineData("--compare is empty", "--compare", ",")]
    [InlineData("--steps 0", "--compare", "ig", "--steps", "0")]
    [InlineData("--steps goes with --compare ig", "--steps", "5")]
    [InlineData("--steps goes with --compare ig", "--steps", "5", "--compare", "relp,frozen")]
    public void Wrong_usage_is_refused_in_a_line(string words, params string[] options) =>
        Verb.Run(["validate", "run", .. options]).Failed(2, words);

    [Fact]
    public void Runs_that_cannot_be_validated_are_refused_with_the_fix()
    {
        Verb.Run("validate", _directory["none"]).Failed(1, "run.json", "does not exist");
        Graph("--aggregate", "sum");
        Assert.DoesNotContain("--", Verb.Run("validate", Run).Failed(1, "summed over positions", "without summing").Error);
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "x", "--out", Run, "--aggregate", "sum", "--validate")
            .Failed(2, "--aggregate sum", "--validate");
        Graph("--method", "exact", "--metric", "kl");
        Verb.Run("validate", Run, "--compare", "ig,relp").Failed(1, "the estimator relp", "compare ig", "(--compare)");
        Assert.False(RunDirectory.HasTable(Run, "validation"));
    }

    [Fact]
    public void A_directory_of_runs_and_a_merged_run_name_the_runs_that_can_be_validated()
    {
        File.WriteAllLines(_directory["prompts.jsonl"], ["""{"prompt": "Hello", "id": "one"}""", """{"prompt": "World"}"""]);
        var many = _directory["many"];
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--no-page",
            "--out", many).Done();
        // the page that lists them
        Verb.Run("view", many).Done();
        Assert.True(File.Exists(Path.Combine(many, "index.html")));
        Verb.Run("validate", Path.Combine(many, "merged")).Failed(1, "mean of many prompts", $"runs in {many}, one by one: one, 2");
        Verb.Run("validate", Path.Combine(many, "merged", "mean")).Failed(1, "mean of many prompts", $"runs in {many}, one by one: one, 2");
        foreach (var verb in (string[][])[["validate", many], ["ablate", "--model", model.Bundle, "--circuit", many],
            ["ablate", "--faithfulness", many]])
        {
            Verb.Run(verb).Failed(1, $"{many} is no run itself, it holds 3: 2, merged, one", $"such as {Path.Combine(many, "2")}");
        }
    }

    [Fact]
    public void A_run_of_another_model_is_refused()
    {
        Graph();
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["folded"], "--fold-layernorm", "--no-check")
            .Done();
        Verb.Run("validate", Run, "--model", _directory["folded"]).Failed(1, "another model", "(--model)");
        Verb.Run("validate", Run, "--model", _directory["nowhere"]).Failed(1, "nowhere");
        var facts = Facts();
        facts["model_path"] = _directory["gone"];
        File.WriteAllText(Path.Combine(Run, "run.json"), facts.ToJsonString());
        Verb.Run("validate", Run).Failed(1, "gone", "(--model)");
        Verb.Run("validate", Run, "--model", model.Bundle, "--sample", "3").Done();
        facts["tokens"] = "four";
        File.WriteAllText(Path.Combine(Run, "run.json"), facts.ToJsonString());
        Verb.Run("validate", Run, "--model", model.Bundle).Failed(1, "'tokens' is a text", "Write the run again");
    }

    [Fact]
    public void A_run_that_cannot_be_written_to_is_left_as_it_is()
    {
        Graph();
        var before = Directory.GetFiles(Run).ToDictionary(f => f, File.ReadAllText);
        using (FileSteps.Refusing(Path.Combine(Run, "validation.parquet")))
        {
            Verb.RunHere(CancellationToken.None, "validate", Run, "--sample", "3").Failed(1, Run, "cannot be added to");
        }
        Assert.Equal(4, before.Count);
        Assert.Equal(before, Directory.GetFiles(Run).ToDictionary(f => f, File.ReadAllText));
    }

    [Fact]
    public void Cancelled_the_run_is_as_it_was()
    {
        Graph();
        var before = Directory.GetFiles(Run).ToDictionary(f => f, File.ReadAllText);
        // minutes of work; wherever in it the cancel falls
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        Verb.Run(cancel.Token, "validate", Run, "--compare", "ig", "--steps", "2000000").Failed(130, "cancelled", "is as it was");
        Assert.Equal(before, Directory.GetFiles(Run).ToDictionary(f => f, File.ReadAllText));
    }

    private void Graph(params string[] options) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run, "--force", .. options]).Done();

    private JsonObject Facts() => JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!.AsObject();

    private string QueryText(string sql)
    {
        var file = _directory["rows.json"];
        Verb.Run("query", Run, sql, "--json", "--out", file, "--force").Done();
        return File.ReadAllText(file);
    }
}
