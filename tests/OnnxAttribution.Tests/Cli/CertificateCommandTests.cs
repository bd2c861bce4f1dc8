using System.Text.Json.Nodes;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>graph --certify, and validate --bound.</summary>
public sealed class CertificateCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Run => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_graph_prints_and_stores_what_it_may_have_missed()
    {
        var printed = Graph("--refine", "off", "--top-nodes", "2", "--certify", "60", "--seed", "4").Output;
        Assert.All((string[])["with 95 % confidence (seed 4;", "What was left out", "none above", "Subsets of them, patched at once"],
            w => Assert.Contains(w, printed));
        var certificate = Certificate();
        Assert.Equal((60, 4, 0.95), ((int)certificate["samples"]!, (int)certificate["seed"]!, (double)certificate["confidence"]!));
        var (nodes, edges) = (certificate["nodes"]!, certificate["edges"]!);
        Assert.Equal(60, (int)nodes["measured"]!);
        Assert.True((double)nodes["bound"]! > (double)nodes["largest"]!);
        Assert.InRange((double)edges["share_bound"]!, 0.001, 0.999);
        Assert.Null(edges["bound"]);
        Assert.Equal(60, certificate["subsets"]!.AsArray().Sum(s => (int)s!["rows"]!));
        var table = RunDirectory.ReadRows<CertificateRow>(Run, CancellationToken.None);
        Assert.Equal((60, 60, 60), (table.Count(r => r.Check == "node"), table.Count(r => r.Check == "subset"),
            table.Count(r => r.Check == "edge")));
        Assert.All(table.Where(r => r.Check == "node"), r => Assert.True(r.UpSite is not null && r.DownSite is null && r.Nodes == 1));
        Assert.All(table.Where(r => r.Check == "subset"), r => Assert.True(r.UpSite is null && r.Density is 0.5 or 0.25));
        Assert.All(table.Where(r => r.Check == "edge"), r => Assert.True(r.DownSite is not null && float.IsNaN(r.ApproxEffect)));
        Assert.Equal((double)nodes["largest"]!, table.Where(r => r.Check == "node").Max(r => Math.Abs((double)r.ExactEffect)), 1e-6);
        Assert.Contains("left out, with 95 % confidence", File.ReadAllText(Path.Combine(Run, "graph.html")));
    }

    [Fact]
    public void Validate_bounds_a_finished_run_the_same_way()
    {
        Graph("--top-nodes", "2", "--certify", "60", "--missed-above", "0.25");
        var (certified, table) = (Certificate(), RunDirectory.ReadRows<CertificateRow>(Run, CancellationToken.None));
        Graph("--top-nodes", "2");
        var before = JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!.AsObject();
        var printed = Verb.Run("validate", Run, "--bound", "60", "--missed-above", "0.25", "--json").Done().Output;
        var stored = JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!.AsObject();
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(printed)!["certificate"], stored["certificate"]));
        Assert.Equal(table, RunDirectory.ReadRows<CertificateRow>(Run, CancellationToken.None));
        foreach (var key in (string[])["nodes", "edges", "subsets", "rows"])
        {
            Assert.True(JsonNode.DeepEquals(certified[key], stored["certificate"]![key]), key);
        }
        Assert.Equal(0.25, (double)stored["certificate"]!["edges"]!["threshold"]!);
        stored.Remove("certificate");
        Assert.True(JsonNode.DeepEquals(before, stored));
        Assert.False(RunDirectory.HasTable(Run, "validation"));
        Assert.Contains("certificate.parquet", Verb.Run("validate", Run, "--bound").Done().Output);
        Assert.Equal(300, (int)Certificate()["samples"]!);
    }

    [Fact]
    public void Every_prompt_of_a_file_gets_its_certificate()
    {
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"prompt": "JApF", "id": "a"}
            {"prompt": "Hello", "id": "b"}
            """);
        var printed = Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories",
            "--out", _directory["many"],
            "--certify", "--validate", "--no-page").Done().Output;
        Assert.Contains("no node missed above", printed);
        Assert.All((string[])["a", "b"], id => Assert.True(RunDirectory.HasTable(Path.Combine(_directory["many"], id), "certificate")));
        Verb.Run("validate", Path.Combine(_directory["many"], "merged"), "--bound").Failed(1, "mean of many prompts", "one by one");
    }

    [Theory]
    [InlineData("ig", "--method", "ig", "--steps", "3", "--metric", "kl", "--patch-prompt", "JApG")]
    [InlineData("exact", "--method", "exact", "--metric", "kl")]
    [InlineData("atp", "--edges", "exact", "--refine", "3", "--estimator", "relp")]
    public void Every_kind_of_run_can_be_bounded(string method, params string[] options)
    {
        Graph([.. options, "--top-nodes", "3", "--certify", "20"]);
        var certificate = Certificate();
        Assert.True((double)certificate["nodes"]!["bound"]! > 0);
        // with kl and exact effects there are no edges
        Assert.Equal(method == "exact", certificate["edges"] is null);
    }

    [Fact]
    public void A_run_that_dropped_nothing_is_refused_and_stays()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "JApF", "--patch-prompt", "JApF", "--out", Run, "--certify")
            .Failed(1, "nothing to bound");
        Assert.True(File.Exists(Path.Combine(Run, "run.json")));
        Verb.Run("validate", Run, "--bound").Failed(1, Run, "keeps every node and every edge", "'onnx-attribution graph'");
        Verb.Run("query", Run, "SELECT * FROM certificate").Failed(1, "onnx-attribution validate", "--bound");
    }

    [Fact]
    public void Of_a_graph_of_all_nodes_only_edges_of_no_effect_are_left()
    {
        Graph("--all");
        Verb.Run("validate", Run, "--bound", "18").Done();
        Assert.Null(Certificate()["nodes"]);
        Assert.InRange((double)Certificate()["edges"]!["largest"]!, 0, 1e-3);
        Assert.Empty(Certificate()["subsets"]!.AsArray());
    }

    [Theory]
    [InlineData("--certify 0 is too little", "--certify", "0")]
    [InlineData("--certify 17 is too little; it takes a whole number from 18", "--certify", "17")]
    [InlineData("--certify cannot be 'x'", "--certify", "x")]
    [InlineData("--missed-above cannot be '-1'", "--certify", "--missed-above", "-1")]
    [InlineData("--missed-above cannot be 'NaN'", "--certify", "--missed-above", "NaN")]
    [InlineData("--missed-above goes with --certify", "--missed-above", "1")]
    [InlineData("--seed goes with --certify", "--seed", "1")]
    [InlineData("--seed -1 is too little", "--certify", "--seed", "-1")]
    [InlineData("--all keeps everything, so --certify", "--certify", "--all")]
    [InlineData("--aggregate sum", "--certify", "--aggregate", "sum")]
    public void Wrong_usage_of_graph_is_refused_in_a_line(string words, params string[] options)
    {
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run, .. options]).Failed(2, words);
        Assert.False(Directory.Exists(Run));
    }

    [Theory]
    [InlineData("--bound 3 is too little", "--bound", "3")]
    [InlineData("--sample contradicts it", "--bound", "--sample", "30")]
    [InlineData("--compare contradicts it", "--bound", "--compare", "ig")]
    [InlineData("--all contradicts it", "--bound", "--all")]
    [InlineData("--missed-above goes with --bound", "--missed-above", "0.1")]
    public void Wrong_usage_of_validate_is_refused_in_a_line(string words, params string[] options) =>
        Verb.Run(["validate", "run", .. options]).Failed(2, words);

    [Fact]
    public void A_program_that_asks_for_what_cannot_be_is_told()
    {
        Graph();
        var run = FinishedRun.Read(Run);
        using var opened = run.Open(null, new RunContext(threads: 1));
        void Refused(CertificateRequest request, params string[] words)
        {
            var message = Assert.Throws<ValidationException>(() => CertificateRun.Find(run, opened, request)).Message;
            Assert.All(words, w => Assert.Contains(w, message));
        }
        Refused(new CertificateRequest(Samples: 17), "17 samples bound nothing", "take 18 or more");
        Refused(new CertificateRequest(Samples: -1), "take 18 or more");
        Refused(new CertificateRequest(Threshold: -1), "-1 is no threshold", "from 0");
        Refused(new CertificateRequest(Threshold: float.NaN), "NaN is no threshold");
        Refused(new CertificateRequest(Threshold: float.PositiveInfinity), "no threshold");
        Assert.Throws<ArgumentOutOfRangeException>(() => CertificateRun.Find(run, opened, new CertificateRequest(Seed: -1)));
        var found = CertificateRun.Find(run, opened, new CertificateRequest(Samples: 20, Threshold: 0));
        found.Write();
        Assert.Equal(found.Record.Nodes, run.Record.Certificate!.Nodes);
        Assert.Equal(0, found.Record.Nodes!.Threshold);
    }

    private Verb Graph(params string[] options) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run, "--force", .. options]).Done();

    private JsonObject Certificate() =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(Run, "run.json")))!["certificate"]!.AsObject();
}
