using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Store;

/// <summary>What the files of a run may be called, and what may stand in them.</summary>
public class RunShapeTests
{
    [Theory]
    [InlineData("what?", "whatX")]
    [InlineData("what*", "what-else")]
    [InlineData("b[12]", "b1")]
    [InlineData("{a,b}", "a")]
    public void A_name_with_the_letters_of_a_pattern_means_itself(string name, string beside)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no such names there");
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory, name);
        RunDirectory.Write(directory[beside],
            new RunContents(RunSamples.Nodes[..1], [], RunSamples.MetricPosition, RunSamples.Facts.ToRecord()), force: false);
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition());
        Assert.Equal(["4"], RunSamples.Ask(run, "SELECT count(*) FROM nodes"));
        Assert.Equal(["4", "1"], RunSamples.Ask(directory.Path, "SELECT count(*) FROM nodes GROUP BY run ORDER BY 1 DESC"));
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        Assert.Equal(TableSamples.Odd().Count, RunDirectory.ReadTable(run, "validation").Count);
        Assert.Equal("gpt2", NestedParquet.Facts(Path.Combine(run, "nodes.parquet"), default)["model"]);
        NestedColumn[] site = [new("site", "VARCHAR", "hook name")];
        Assert.Equal(4, NestedParquet.Read(Path.Combine(run, "nodes.parquet"), site, NestedParquet.All, default).Count());
        var query = new RunQuery([run]);
        query.WriteParquet("FROM nodes", directory["out?.parquet"]);
        Assert.Equal(4, StoredTable.Read(directory["out?.parquet"]).Count);
    }

    [Fact]
    public void The_metric_has_no_feature_and_older_runs_that_say_minus_one_are_read()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), edges = Path.Combine(run, "edges.parquet");
        Assert.Equal(["metric|true"], RunSamples.Ask(run,
            "SELECT DISTINCT down_site, down_feature IS NULL FROM edges WHERE down_site = 'metric' OR down_feature IS NULL"));
        var now = RunDirectory.Read(run);
        using (var database = DuckDbDatabase.OpenInMemory())
        {
            database.Execute($"COPY (SELECT * REPLACE (coalesce(down_feature, -1) AS down_feature) FROM {ParquetFile.Sql(edges)}) TO "
                + $"{SqlText.Literal(directory["old"])} (FORMAT parquet)");
        }
        File.Move(directory["old"], edges, overwrite: true);
        Assert.Equal(["-1"], RunSamples.Ask(run, "SELECT DISTINCT down_feature FROM edges WHERE down_site = 'metric'"));
        Assert.Equal(now.Edges.ToArray(), RunDirectory.Read(run).Edges.ToArray());
    }

    [Fact]
    public void What_tells_executions_apart_is_in_no_Parquet_file()
    {
        using var directory = new AwkwardDirectory();
        JsonObject Facts(int execution)
        {
            var facts = RunSamples.Facts;
            string[] numbers = ["seconds", "runtime_calls", "operations", "peak_memory_bytes", "threads"];
            foreach (var key in numbers) facts[key] = execution;
            foreach (var key in (string[])["model_path", "device", "command_line", "finished_at"]) facts[key] = $"{execution}";
            return facts;
        }
        string a = RunSamples.Write(directory, "a", Facts(1)), b = RunSamples.Write(directory, "b", Facts(2));
        foreach (var run in (string[])[a, b]) RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition());
        foreach (var file in (string[])["nodes.parquet", "edges.parquet", "validation.parquet"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(a, file)), File.ReadAllBytes(Path.Combine(b, file)));
        }
    }

    [Theory]
    [InlineData("""{"position": "two"}""", "'position' is a text where whole number belongs")]
    [InlineData("""{"position": 2.5}""", "'position' is a number")]
    [InlineData("""{"tokens": [1, "a"]}""", "'tokens[1]' is a text")]
    [InlineData("""{"tokens": [1, null]}""", "'tokens[1]' is null")]
    [InlineData("""{"prepend_bos": 1}""", "'prepend_bos' is a number where true or false belongs")]
    [InlineData("""{"options": []}""", "'options' is a list where object belongs")]
    [InlineData("""{"validation": {"nodes": {"count": 1, "top": 1, "pearson": "x"}}}""",
        "'validation.nodes.pearson' is a text where number belongs")]
    [InlineData("""{"validation": {"nodes": {"count": 1}}}""", "'validation.nodes.top' is missing")]
    [InlineData("""{"clean_metric": "12"}""", "'clean_metric' is a text where number belongs")]
    [InlineData("""{"timings": {"open": true}}""", "'timings.open' is true or false where number belongs")]
    [InlineData("""{"options": {"top_nodes": 2.5}}""", "'options.top_nodes' is a number where whole number belongs")]
    [InlineData("{\n\"a\": 1,\n\"a\": 2}", "a key is there twice, 'a'")]
    [InlineData("""{"options": {"a_key_that_is_long_enough_to_be_cut": 1, "a_key_that_is_long_enough_to_be_cut": 2}}""",
        "a key is there twice, 'options.a_key_that_is_long_enough_to_be_cut'")]
    [InlineData("""{"a": [{"b": {"c": 1}}, {"b": {"c": 1}}], "a": 1}""", "a key is there twice, 'a'")]
    [InlineData("""{"clean_metric": 1e39}""", "'clean_metric' is a number that is too large")]
    [InlineData("""{"\ud800": 1}""", "not valid Unicode")]
    [InlineData("""{"further": {"\ud800": 1}}""", "not valid Unicode")]
    [InlineData("""{"further": {"a": "x\udc00"}}""", "'further.a' is not valid Unicode")]
    [InlineData("{\n", "line 2")]
    [InlineData("[]", "no JSON object")]
    public void A_run_json_that_is_wrong_is_named_with_the_place(string json, string words)
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = Path.Combine(run, "run.json");
        File.WriteAllText(file, json);
        foreach (var verb in (string[][])[["query", run, "FROM nodes"], ["view", run, "--out", directory["x.html"]], ["validate", run]])
        {
            Verb.Run(verb).Failed(ExitCodes.Failed, file, words, "Write the run again");
        }
    }

    [Fact]
    public void A_run_json_that_is_too_deep_is_told_as_that()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = Path.Combine(run, "run.json");
        File.WriteAllText(file, "{\"a\": " + new string('[', 70) + new string(']', 70) + "}");
        Verb.Run("query", run, "FROM nodes").Failed(ExitCodes.Failed, file, "within each other, deeper than anything that is read");
    }

    [Fact]
    public void A_Parquet_file_that_is_damaged_within_is_named_with_the_fix()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = Path.Combine(run, "nodes.parquet");
        var bytes = File.ReadAllBytes(file);
        for (var at = 4; at < 200; at++) bytes[at] ^= 0x5a;
        File.WriteAllBytes(file, bytes);
        foreach (var verb in (string[][])[["query", run, "FROM nodes"], ["view", run, "--out", directory["x.html"]]])
        {
            Verb.Run(verb).Failed(ExitCodes.Failed, file, "is damaged: its Parquet data cannot be read", "Write the run again");
        }
    }
}
