using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>graph --top-errors</c>, and every verb that reads what it leaves.</summary>
public sealed class TopErrorsTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Errors_beyond_the_strongest_are_one_row_of_a_site_and_every_reader_takes_it()
    {
        var output = Graph("--top-errors", "2").Output;
        Assert.Contains("errors: the 2 strongest of a site are nodes, its others one row at position -1", output);
        var run = RunDirectory.Read(Out);
        Assert.Equal(2, (int)run.Facts["options"]!["top_errors"]!);
        foreach (var site in run.Nodes.GroupBy(n => n.Site))
        {
            Assert.Equal(2, site.Count(n => n is { Feature: NodeRow.Error, Position: >= 0 }));
            Assert.Single(site, n => n is { Feature: NodeRow.Error, Position: -1 });
        }
        foreach (var format in (string[])["dot", "graphml", "svg", "json", "html"])
        {
            var (file, words) = (_directory[$"graph.{format}"], format == "svg" ? "other positions" : ":errors");
            Verb.Run("view", Out, "--format", format, "--nodes", "1000", "--edges", "5000", "--out", file).Done();
            Assert.Contains(words, File.ReadAllText(file));
        }
        var sums = Verb.Run("query", Out, "--json",
            "SELECT count(*)::INT n FROM edges WHERE up_position = -1 AND up_feature = -1").Done().Output;
        Assert.True((int)JsonNode.Parse(sums)![0]!["n"]! > 0);
        Verb.Run("validate", Out, "--sample", "20").Done();
        Verb.Run("ablate", "--faithfulness", Out, "--points", "3").Done();
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "Hello", "--circuit", Out).Done();
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--out", Out, "--top-errors", "2", "--top-nodes", "2", "--force",
            "--certify", "20").Done();
    }

    [Fact]
    public void A_circuit_of_a_run_has_the_errors_that_its_rows_stand_for()
    {
        Graph("--all");
        var all = Points();
        Graph("--no-prune", "--top-errors", "2", "--top-nodes", "1000", "--top-edges", "1000000", "--force");
        var lumped = Points();
        Assert.Equal(all, lumped);
    }

    [Theory, InlineData("--heads"), InlineData("--aggregate", "sum"), InlineData("--all")]
    public void What_leaves_nothing_to_lump_is_refused(params string[] other) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "Hello", "--out", Out, "--top-errors", "2", .. other])
            .Failed(2, "--top-errors");

    // how many nodes there are to keep, and what keeping all and none leaves of the metric
    private string Points()
    {
        Verb.Run("ablate", "--faithfulness", Out, "--points", "2", "--errors", "nodes", "--ablation", "zero").Done();
        return Verb.Run("query", Out, "--json", "SELECT DISTINCT nodes, round(metric_circuit, 3) c, round(metric_complement, 3) k "
            + "FROM faithfulness ORDER BY 1").Done().Output;
    }

    private Verb Graph(params string[] more) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "Hello", "--target", "x", "--out", Out, .. more]).Done();
}
