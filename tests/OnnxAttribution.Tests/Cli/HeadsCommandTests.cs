using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>graph --heads and the verb heads.</summary>
public sealed class HeadsCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Run => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Heads_of_a_run_add_up_to_its_edges_in_SQL()
    {
        Graph("--heads", "--sites", "resid", "--refine", "off");
        var joined = Query("""
            WITH parts AS (SELECT up_site, up_position, up_feature, down_site, down_position, down_feature, sum(effect) AS effect
                FROM heads GROUP BY ALL)
            SELECT count(*) AS edges, max(abs(p.effect - e.effect)) / max(abs(e.effect)) AS off FROM edges e JOIN parts p
                ON (p.up_site, p.up_position, p.up_feature, p.down_site, p.down_position)
                    = (e.up_site, e.up_position, e.up_feature, e.down_site, e.down_position)
                AND p.down_feature IS NOT DISTINCT FROM e.down_feature
            """);
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!;
        Assert.Equal((int)record["edges"]!, (int)joined["edges"]!);
        Assert.InRange((double)joined["off"]!, 0, 1e-5);
        Assert.InRange((double)record["heads_violation"]!, 0, 1e-5);
        Assert.Equal("all", (string)record["options"]!["heads"]!);
    }

    [Fact]
    public void The_strongest_heads_are_listed_with_what_goes_through_them()
    {
        var printed = Graph("--heads", "--sites", "resid");
        Assert.Contains("Strongest heads", printed.Output);
        var list = JsonNode.Parse(Verb.Run("heads", Run, "--top", "3", "--json").Done().Output)!;
        Assert.Equal((3, 8), (list["heads"]!.AsArray().Count, (int)list["heads_in_all"]!));
        var strongest = list["heads"]![0]!;
        var sums = Query($"SELECT sum(abs(effect)) AS all FROM heads WHERE layer = {strongest["layer"]} AND head = {strongest["index"]}");
        Assert.Equal((double)sums["all"]!, (double)strongest["effect"]!, 1e-4);
        Assert.Contains($"{strongest["head"]}", Verb.Run("heads", Run, "--top", "3").Done().Output);
    }

    [Fact]
    public void A_graph_of_one_head_holds_only_what_passes_it()
    {
        Graph("--heads", "1.2", "--sites", "resid");
        var others = Query("SELECT count(*) FILTER (layer <> 1 OR head <> 2 OR way = 'around') AS others, count(*) AS rows FROM heads");
        Assert.Equal(0, (int)others["others"]!);
        Assert.NotEqual(0, (int)others["rows"]!);
        Assert.Equal(0, (int)Query("SELECT count(*) AS n FROM edges WHERE up_site <> 'blocks.1.hook_resid_pre'")["n"]!);
    }

    [Fact]
    public void A_graph_of_a_head_that_no_edge_passes_says_so() =>
        Assert.Contains("no edge between the strongest nodes passes head 1.2: --top-nodes and --top-edges keep more",
            Graph("--heads", "1.2", "--sites", "blocks.1.hook_resid_post").Output);

    [Fact]
    public void A_score_is_split_into_pairs_that_add_up_to_it_and_scores_stand_beside_each_other()
    {
        Graph("--sites", "resid");
        var first = JsonNode.Parse(Verb.Run("heads", Run, "--head", "1.2", "--query", "3", "--key", "1", "--json").Done().Output)!;
        Assert.Equal((double)first["score"]!, (double)first["sum_of_pairs"]!, 1e-4);
        Assert.Equal((double)first["score"]!, first["kinds"]!.AsArray().Sum(k => (double)k!["score"]!), 1e-4);
        Verb.Run("heads", Run, "--head", "0.0").Done();
        Verb.Run("heads", Run, "--head", "L1H2", "--query", "3", "--key", "1").Done();
        var stored = Query("SELECT count(DISTINCT (layer, head, query, key)) AS scores, sum(score) FILTER (layer = 1) AS score, "
            + "count(*) FILTER (layer = 1) AS pairs FROM score_pairs");
        Assert.Equal(2, (int)stored["scores"]!);
        Assert.Equal((double)first["score"]!, (double)stored["score"]!, 1e-4);
        Assert.Equal((int)first["pairs_in_all"]!, (int)stored["pairs"]!);
    }

    [Fact]
    public void The_page_shows_the_strongest_heads_the_parts_of_edges_and_the_scores()
    {
        Graph("--heads", "--sites", "resid");
        Verb.Run("heads", Run, "--head", "1.2", "--query", "3", "--key", "1").Done();
        var file = _directory["page.html"];
        Verb.Run("view", Run, "--out", file).Done();
        var page = File.ReadAllText(file);
        var start = page.IndexOf("id=\"data\">", StringComparison.Ordinal) + "id=\"data\">".Length;
        var data = JsonNode.Parse(page[start..page.IndexOf("</script>", start, StringComparison.Ordinal)])!;
        var list = JsonNode.Parse(Verb.Run("heads", Run, "--json").Done().Output)!["heads"]!.AsArray();
        Assert.Equal(list.Select(h => (string)h!["head"]!), data["heads"]!["strongest"]!.AsArray().Select(h => (string)h!["name"]!));
        var parts = data["heads"]!["parts"]!.AsArray();
        Assert.Equal(data["edges"]!["up"]!.AsArray().Count, parts.Count);
        var strongest = Query("SELECT way, effect FROM heads ORDER BY abs(effect) DESC LIMIT 1");
        Assert.Contains(parts, p => p!.AsArray().Any(x => Math.Abs((double)x![1]! / (double)strongest["effect"]! - 1) < 1e-4));
        var score = data["scores"]![0]!;
        Assert.Equal(("1.2", 3, 1), ((string)score["head"]!, (int)score["query"]!, (int)score["key"]!));
        Assert.Equal(8, score["pairs"]!.AsArray().Count);
    }

    [Fact]
    public void Where_no_edge_can_be_compared_with_its_parts_nothing_is_said_of_them()
    {
        Graph("--heads", "--edges", "exact", "--sites", "resid");
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!;
        Assert.InRange((double)record["heads_violation"]!, 0, 1e-5);
        var printed = Graph("--heads", "--edges", "exact", "--sites", "resid", "--top-edges", "0", "--force").Output;
        Assert.DoesNotContain("of its parts", printed);
        Assert.Null(JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!["heads_violation"]);
    }

    [Fact]
    public void A_damaged_table_of_scores_is_to_be_removed_before_another_is_added()
    {
        Graph("--sites", "resid");
        Verb.Run("heads", Run, "--head", "1.2").Done();
        var file = Path.Combine(Run, "score_pairs.parquet");
        File.WriteAllText(file, "nothing");
        Verb.Run("heads", Run, "--head", "0.0").Failed(1, "score_pairs.parquet is damaged", "remove it and split a score");
        Assert.Equal("nothing", File.ReadAllText(file));
        File.Delete(file);
        Verb.Run("heads", Run, "--head", "0.0").Done();
    }

    [Fact]
    public void What_cannot_be_is_refused_in_one_line()
    {
        Graph("--sites", "resid");
        Verb.Run("heads", Run).Failed(1, "heads.parquet", "graph --heads");
        Verb.Run("heads", Run, "--head", "2.0").Failed(1, "no head 2.0", "layers are 0 to 1", "--head");
        Verb.Run("heads", Run, "--head", "1.4").Failed(1, "no head 1.4", "heads 0 to 3", "--head");
        Verb.Run("heads", Run, "--head", "1.2", "--query", "1", "--key", "3").Failed(1, "key 3 is after the query 1", "--query or --key");
        Verb.Run("heads", Run, "--head", "1.2", "--query", "5").Failed(1, "position 5", "0 to 4", "--query");
        Verb.Run("heads", Run, "--head", "1.2", "--key", "9").Failed(1, "position 9", "0 to 4", "--key");
        Verb.Run("heads", _directory["none"], "--head", "1.2").Failed(1, "none");
        Assert.False(RunDirectory.HasTable(Run, "score_pairs"));
    }

    [Fact]
    public void A_head_whose_layer_has_no_dictionary_is_refused_by_the_name_of_the_site()
    {
        var (bare, checkpoint) = (_directory["bare"], Random2Fixture.ChangedCheckpoint(_directory, "h.0.mlp.c_proj.weight", _ => { }));
        Verb.Run("export", "--checkpoint", checkpoint, "--out", bare, "--no-check").Done();
        Verb.Run("graph", "--model", bare, "--prompt", "abcd", "--out", Run, "--no-page").Done();
        Verb.Run("heads", Run, "--head", "1.2").Failed(1, "no dictionary at blocks.1.hook_resid_pre");
    }

    [Fact]
    public void A_run_whose_edges_pass_no_attention_and_the_mean_of_many_are_refused()
    {
        File.WriteAllText(_directory["prompts.jsonl"], """{"id": "a", "prompt": "abcd"}""" + "\n");
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--heads",
            "--sites", "resid", "--out",
            _directory["batch"], "--no-page").Done();
        Assert.True(RunDirectory.HasTable(_directory["batch/a"], "heads"));
        Assert.False(RunDirectory.HasTable(_directory["batch/merged"], "heads"));
        Verb.Run("heads", _directory["batch/merged"]).Failed(1, "mean of many prompts");
        Verb.Run("heads", _directory["batch/merged"], "--head", "1.2").Failed(1, "mean of many prompts", "a");
        Graph("--heads", "--sites", "blocks.1.hook_mlp_out,blocks.1.hook_resid_post");
        Verb.Run("heads", Run).Failed(1, "no edge", "passes attention");
    }

    [Theory]
    [InlineData("--heads cannot be '9'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--heads", "9")]
    [InlineData("--aggregate sum", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--heads", "--aggregate", "sum")]
    [InlineData("--heads cannot split", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--heads", "--metric", "kl", "--method",
        "ig")]
    [InlineData("--head cannot be 'x.y'", "heads", "r", "--head", "x.y")]
    [InlineData("--query goes with --head", "heads", "r", "--query", "3")]
    [InlineData("--key -1 is too little", "heads", "r", "--head", "1.1", "--key", "-1")]
    [InlineData("RUN is missing", "heads")]
    public void Wrong_usage_is_told_before_anything_is_read(string words, params string[] args) => Verb.Run(args).Failed(2, words);

    [Fact]
    public void A_head_that_the_model_has_not_is_refused_before_anything_is_run() =>
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "abcd", "--out", Run, "--heads", "0.4")
            .Failed(1, "no head 0.4", "heads 0 to 3", "--heads");

    private Verb Graph(params string[] more) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "abcd", "--out", Run, "--no-page", .. more]).Done();

    private JsonNode Query(string sql) => JsonNode.Parse(Verb.Run("query", Run, sql, "--format", "json").Done().Output)![0]!;
}
