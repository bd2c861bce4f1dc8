using System.Text.Json.Nodes;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

public sealed class CompareCommandTests(OnnxAttribution.Tests.Comparison.ComparedRuns runs)
    : IClassFixture<OnnxAttribution.Tests.Comparison.ComparedRuns>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void Two_runs_are_printed_side_by_side()
    {
        var output = Verb.Run("compare", runs["plain"], runs["other"], "--top", "3").Done().Output;
        Assert.Contains($"A        {runs["plain"]}: 'Copyright (C' → ')'", output);
        Assert.Contains("in both", output);
        Assert.Contains("Spearman", output);
        Assert.Contains("note: the prompts differ (4 and 5 tokens)", output);
    }

    [Fact]
    public void Json_has_the_figures_and_as_many_nodes_and_edges_as_are_asked_for()
    {
        var json = JsonNode.Parse(Verb.Run("compare", runs["plain"], runs["relp"], "--json", "--top", "2").Done().Output)!;
        var compared = RunComparison.Read(runs["plain"], runs["relp"]);
        Assert.Equal(compared.NodeCounts.Both, (int)json["nodes"]!["both"]!);
        Assert.Equal(compared.EdgeCounts.OnlyB, (int)json["edges"]!["only_b"]!);
        Assert.Equal(compared.EdgeCounts.Spearman, (double)json["edges"]!["spearman"]!, 1e-12);
        Assert.Equal(2, json["strongest_nodes"]!.AsArray().Count);
        Assert.Equal(compared.Edges[1].Down.Site, (string?)json["strongest_edges"]![1]!["down"]!["site"]);
        Assert.Null(json["out"]);
    }

    [Fact]
    public void A_directory_of_all_nodes_and_edges_is_written_whole_and_replaced_only_by_force()
    {
        string[] call = ["compare", runs["plain"], runs["other"], "--align", "feature", "--out", _directory["compared"]];
        Assert.Contains($"wrote {_directory["compared"]}", Verb.Run(call).Done().Output);
        var record = JsonNode.Parse(File.ReadAllText(_directory["compared/comparison.json"]))!;
        Assert.Equal("feature", (string?)record["align"]);
        Assert.Null(record["strongest_nodes"]);
        var compared = RunComparison.Read(runs["plain"], runs["other"], RunAlignment.Feature);
        Assert.Equal(compared.Nodes, Rows<ComparedNode>("compared_nodes"));
        Assert.Equal(compared.Edges, Rows<ComparedEdge>("compared_edges"));
        Verb.Run(call).Failed(1, "compared", "holds a comparison already", "--force");
        Verb.Run([.. call, "--force"]).Done();
        File.WriteAllText(_directory["compared/notes.txt"], "mine");
        Verb.Run([.. call, "--force"]).Failed(1, "holds something else than a comparison", "--out");
        Assert.Equal("mine", File.ReadAllText(_directory["compared/notes.txt"]));
        Verb.Run("compare", runs["plain"], runs["other"], "--out", Path.Combine(runs["plain"], "x")).Failed(1, runs["plain"]);
    }

    [Fact]
    public void What_cannot_be_compared_is_refused_by_one_line()
    {
        Verb.Run("compare", runs["plain"], runs["summed"]).Failed(1, "summed over positions", "(--align)");
        Verb.Run("compare", runs["plain"], _directory["none"]).Failed(1, "none");
        Verb.Run("compare", runs["plain"]).Failed(2, "RUN_B");
        Verb.Run("compare", runs["plain"], runs["other"], "--force").Failed(2, "--force goes with --out");
        Verb.Run("compare", runs["plain"], runs["other"], "--align", "token").Failed(2, "token", "position", "feature");
        Verb.Run("compare", runs["plain"], runs["other"], "--top", "0").Failed(2, "--top");
        Verb.Run("compare", runs["plain"], runs["other"], "--top", "-3").Failed(2, "--top", "-3");
        Verb.Run("compare", runs["plain"], runs["other"], "--out", _directory["x.parquet"]).Failed(2, "--out");
    }

    [Fact]
    public void A_run_beside_itself_is_said_to_be_the_same()
    {
        Directory.CreateSymbolicLink(_directory["link"], runs["plain"]);
        Assert.Contains("note: A and B are the same run, so nothing can differ",
            Verb.Run("compare", runs["plain"], _directory["link"]).Done().Output);
        Assert.DoesNotContain("the same run", Verb.Run("compare", runs["plain"], runs["strong"]).Done().Output);
    }

    [Theory, InlineData("position"), InlineData("feature")]
    public void Two_runs_are_drawn_as_one_page(string align)
    {
        var file = _directory["diff.html"];
        Assert.Contains($"wrote {file}",
            Verb.Run("view", runs["plain"], runs["other"], "--align", align, "--out", file).Done().Output);
        var page = File.ReadAllText(file);
        Assert.Contains("<title>A: Copyright (C → &#39;)&#39;  |  B: the Copyright [C → &#39;]&#39;</title>", page);
        var data = JsonNode.Parse(page.Split("<script type=\"application/json\" id=\"data\">")[1].Split("</script>")[0])!;
        var comparison = data["comparison"]!;
        Assert.Equal(data["nodes"]!.AsArray().Count, comparison["nodes"]!.AsArray().Count);
        Assert.Equal(data["edges"]!["eff"]!.AsArray().Count, comparison["edges"]!.AsArray().Count);
        var compared = RunComparison.Read(runs["plain"], runs["other"], align == "feature" ? RunAlignment.Feature : RunAlignment.Position);
        Assert.Equal(compared.NodeCounts.OnlyB, comparison["nodes"]!.AsArray().Count(n => (int)n! == (int)Presence.OnlyB));
        Assert.Equal(compared.EdgeCounts.OnlyB, (int)comparison["counts"]![1]![3]!);
        Verb.Run("view", runs["plain"], runs["other"], "--out", file).Failed(1, "diff.html", "exists already", "--force");
    }

    [Fact]
    public void Two_runs_whose_model_is_gone_are_drawn_and_the_command_that_names_it_draws_both()
    {
        var moved = Directory.CreateDirectory(_directory["moved"]).FullName;
        foreach (var file in Directory.GetFiles(runs["plain"])) File.Copy(file, Path.Combine(moved, Path.GetFileName(file)));
        var facts = JsonNode.Parse(File.ReadAllText(Path.Combine(moved, "run.json")))!;
        facts["model_path"] = _directory["gone"];
        File.WriteAllText(Path.Combine(moved, "run.json"), facts.ToJsonString());
        string[] call = ["view", moved, runs["other"], "--out", _directory["diff.html"]];
        Assert.Contains($"name its bundle with 'onnx-attribution view {moved} {runs["other"]} --out FILE --model DIR'",
            Verb.Run(call).Done().Output);
        Assert.Contains($"{moved} {runs["other"]} --align feature --out FILE --model DIR'",
            Verb.Run([.. call, "--force", "--align", "feature"]).Done().Output);
        Assert.DoesNotContain("note:", Verb.Run([.. call, "--force", "--model", Repository.TinyModel]).Done().Output);
        // of one run it draws one
        Assert.Contains($"name its bundle with 'onnx-attribution view {moved} --model DIR'", Verb.Run("view", moved).Done().Output);
    }

    [Fact]
    public void A_page_of_two_runs_is_asked_for_with_a_file_and_as_a_page()
    {
        Verb.Run("view", runs["plain"], runs["other"]).Failed(2, "--out", "diff.html");
        Verb.Run("view", runs["plain"], runs["other"], "--out", _directory["d.svg"]).Failed(2, "as a page only");
        Verb.Run("view", runs["plain"], runs["other"], "--live", "--out", _directory["d.html"]).Failed(2, "--live", "one run");
        Verb.Run("view", runs["plain"], _directory["none"], "--out", _directory["d.html"]).Failed(1, "none", "run.json does not exist");
        Verb.Run("view", runs["plain"], "--align", "feature").Failed(2, "--align", "two runs");
        Verb.Run("view", runs["plain"], runs["summed"], "--out", _directory["d.html"]).Failed(1, "summed over positions", "(--align)");
        Verb.Run("view", runs["plain"], runs["other"], runs["relp"], "--out", _directory["d.html"]).Failed(2, runs["relp"]);
        Assert.False(File.Exists(_directory["d.html"]));
    }

    private IReadOnlyList<TRow> Rows<TRow>(string table) where TRow : ITableRow<TRow>
    {
        var file = _directory[$"compared/{table}.parquet"];
        return RowTable.Read<TRow>(StoredTable.Load(file, TRow.Columns, TestContext.Current.CancellationToken), file);
    }

    public void Dispose() => _directory.Dispose();
}
