using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>ablate --faithfulness</c>.</summary>
public sealed class AblateFaithfulnessTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Run => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_curve_per_rule_goes_to_the_screen_the_table_and_run_json()
    {
        Graph("--prompt", "Hello", "--metric", "logit-diff");
        var output = Measure("--controls", "3", "--points", "5").Done().Output;
        foreach (var part in (string[])["set to 0, errors kept", "set to 0, errors ablated", "set to 0, errors are nodes",
            "metric logit-diff", "faithfulness", "completeness", " ± ", "3 random circuits", "faithfulness.parquet ("])
        {
            Assert.Contains(part, output);
        }
        var table = RunDirectory.ReadTable(Run, "faithfulness");
        Assert.Equal(["prompt_id", "ablation", "errors", "circuit", "control", "nodes", "share", "metric_circuit", "metric_complement",
            "metric_empty", "metric_full", "faithfulness", "completeness"], table.Columns.Select(c => c.Name));
        Assert.Equal(3 * 5 * 4, table.Count);
        Assert.Equal(["keep", "remove", "nodes"], table.Values<string?>("errors").Distinct());
        var run = RunDirectory.Read(Run);
        Assert.All(table.Values<double>("metric_full"), m => Assert.Equal((double)run.Facts["clean_metric"]!, m, 1e-4));
        var (features, all) = (run.Nodes.Count(n => n.Feature >= 0), run.Nodes.Count);
        for (var i = 0; i < table.Count; i++)
        {
            double Value(string column) => table.Values<double>(column)[i];
            var nodes = table.Values<int?>("nodes")[i]!.Value;
            Assert.Equal(nodes / (double)(table.Values<string?>("errors")[i] == "nodes" ? all : features), Value("share"), 1e-12);
            Assert.Equal((Value("metric_circuit") - Value("metric_empty")) / (Value("metric_full") - Value("metric_empty")),
                Value("faithfulness"), 1e-9);
            if (nodes == all) Assert.Equal(1, Value("faithfulness"), 1e-4);
            Assert.Equal(table.Values<string?>("circuit")[i] == "top", table.Values<int?>("control")[i] is null);
        }
        var curves = run.Facts["faithfulness"]!["curves"]!.AsArray();
        Assert.Equal(15, curves.Count);
        Assert.Equal("logit-diff", (string)run.Facts["faithfulness"]!["metric"]!);
        // and with --json the same
        var json = JsonNode.Parse(Measure("--controls", "3", "--points", "5", "--json").Done().Output)!;
        Assert.True(JsonNode.DeepEquals(curves, json["curves"]));
    }

    [Fact]
    public void The_strongest_nodes_are_kept_and_the_metric_is_the_runs_own()
    {
        Graph("--prompt", "Hello", "--metric", "logprob", "--position", "3", "--target", "k", "--top-nodes", "2");
        Measure("--controls", "2", "--points", "6", "--errors", "nodes").Done();
        var run = RunDirectory.Read(Run);
        var tokens = run.Facts["tokens"]!.AsArray().Select(t => (int)t!).ToArray();
        using var opened = LoadedModel.Open(model.Bundle, ["resid"], new RunContext());
        using var clean = ActivationCache.Of(opened, tokens);
        var metric = new Metric(MetricKind.Logprob, 3, (int)run.Facts["target_id"]!, 0);
        Assert.NotEqual(metric.Target, new MetricRequest(metric.Kind, metric.Position).Choose(clean).Target);
        CircuitNode[] strongest = [.. run.Nodes.OrderBy(n => -Math.Abs(n.Effect))
            .Select(n => new CircuitNode(opened.Selected.Single(s => s.Name == n.Site), n.Position, n.Feature))];
        var table = RunDirectory.ReadTable(Run, "faithfulness");
        var random = 0;
        for (var i = 0; i < table.Count; i++)
        {
            var circuit = new Circuit(strongest.Take(table.Values<int?>("nodes")[i]!.Value));
            var expected = new CircuitPass(clean, Replacements.Zero(clean))
                .Metrics(2, keep => new AblationRow(circuit, keep == 0, ErrorRule.Nodes), metric);
            var isTop = table.Values<string?>("circuit")[i] == "top";
            foreach (var (column, value) in new[] { ("metric_circuit", expected[0]), ("metric_complement", expected[1]) })
            {
                if (isTop) Assert.Equal(value, table.Values<double>(column)[i], 1e-4);
                else if (Math.Abs(value - table.Values<double>(column)[i]) > 1e-3) random++;
            }
        }
        Assert.True(random > 4, $"random circuits are the strongest nodes: {random} differ");
    }

    [Fact]
    public void Nodes_without_an_effect_have_no_rank()
    {
        Verb.Run("ablate", "--model", model.Bundle, "--sites", "resid", "--prompt", "Hello", "--out", Run).Done();
        var nodes = RunDirectory.Read(Run).Nodes;
        Assert.Contains(nodes, n => float.IsNaN(n.Effect));
        Measure("--errors", "keep").Done();
        Assert.Equal(nodes.Count(n => !float.IsNaN(n.Effect)), RunDirectory.ReadTable(Run, "faithfulness").Values<int?>("nodes").Max());
        Verb.Run("ablate", "--model", model.Bundle, "--sites", "resid", "--prompt", "Hello", "--no-tokens", "--out", Run, "--force").Done();
        Measure().Failed(1, "no effect of any node", "--no-tokens");
    }

    [Fact]
    public void Patch_prompts_are_patched_and_a_text_gives_means()
    {
        Graph("--prompt", "Hello", "--patch-prompt", "Jelly");
        Assert.Contains("set to the patch run's", Measure().Done().Output);
        Assert.Equal(["patch"], RunDirectory.ReadTable(Run, "faithfulness").Values<string?>("ablation").Distinct());
        // the prompt is the model as it is, and the patch prompt what it is patched with
        var clean = (double)RunDirectory.Read(Run).Facts["clean_metric"]!;
        Assert.All(RunDirectory.ReadTable(Run, "faithfulness").Values<double>("metric_full"), m => Assert.Equal(clean, m, 1e-4));
        File.WriteAllText(_directory["text.txt"], "The quick brown fox jumps over the lazy dog, and then over another one.");
        var output = Measure("--ablation", "mean,zero", "--mean-text", _directory["text.txt"], "--errors", "keep").Done().Output;
        Assert.Contains("means over 71 tokens of", output);
        Assert.Contains("set to their means, errors kept", output);
        Assert.DoesNotContain("errors are nodes", output);
        Assert.Equal(["mean", "zero"], RunDirectory.ReadTable(Run, "faithfulness").Values<string?>("ablation").Distinct());
    }

    [Fact]
    public void Means_over_a_text_keep_its_documents_apart()
    {
        Graph("--prompt", "Hello");
        double Metric(string text)
        {
            File.WriteAllText(_directory["text.txt"], text);
            Measure("--ablation", "mean", "--mean-text", _directory["text.txt"], "--errors", "keep", "--controls", "0").Done();
            return RunDirectory.ReadTable(Run, "faithfulness").Values<double>("metric_empty").First();
        }
        // both fit one window together: only the line between them keeps the second from seeing the first
        const string First = "quick foxes", Second = "lazy dogs";
        var apart = Metric($"{First}\n<|endoftext|>\n{Second}");
        Assert.Equal(apart, Metric($"{Second}\r\n<|endoftext|>\r\n{First}"), 1e-4);
        Assert.NotEqual(apart, Metric($"{First}{Second}"), 1e-4);
        Assert.NotEqual(Metric($"{First}{Second}"), Metric($"{Second}{First}"), 1e-4);
    }

    [Fact]
    public void A_merged_graph_is_measured_on_its_own_prompts_or_others()
    {
        File.WriteAllText(_directory["prompts.jsonl"],
            "{\"prompt\": \"Hello\", \"id\": \"a\"}\n{\"prompt\": \"Jelly fish\", \"target\": \"x\"}\n");
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--sites", "resid",
            "--out", _directory["runs"]).Done();
        var merged = Path.Combine(_directory["runs"], "merged");
        Assert.Contains("2 prompts", Verb.Run("ablate", "--model", model.Bundle, "--faithfulness", merged, "--points", "4").Done().Output);
        Assert.Equal(["a", "2"], RunDirectory.ReadTable(merged, "faithfulness").Values<string?>("prompt_id").Distinct());
        var own = RunDirectory.ReadTable(merged, "faithfulness").Values<double>("faithfulness");
        Verb.Run("ablate", "--model", model.Bundle, "--faithfulness", merged, "--points", "4", "--prompts", _directory["prompts.jsonl"])
            .Done();
        Assert.Equal(own, RunDirectory.ReadTable(merged, "faithfulness").Values<double>("faithfulness"));
        Directory.Delete(Path.Combine(_directory["runs"], "a"), recursive: true);
        Verb.Run("ablate", "--model", model.Bundle, "--faithfulness", merged).Failed(1, "merged", "--prompts");
    }

    [Fact]
    public void A_merged_graph_that_names_no_prompt_is_refused()
    {
        File.WriteAllLines(_directory["prompts.jsonl"], ["""{"prompt": "Hello", "id": "one"}"""]);
        Graph("--prompts", _directory["prompts.jsonl"], "--directories", "--no-page");
        var file = Path.Combine(Run, "merged", "mean", "run.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"one\"", ""));
        foreach (var mode in (string[])["--circuit", "--faithfulness"])
        {
            Verb.Run("ablate", mode, Path.Combine(Run, "merged"))
                .Failed(1, $"the run.json of {Path.GetDirectoryName(file)} names no prompt", "give prompts", "(--prompts)");
        }
        Verb.Run("validate", Path.Combine(Run, "merged")).Failed(1, $"validate the runs in {Run}, one by one\n");
    }

    [Fact]
    public void What_does_not_change_the_metric_gives_null_and_says_so()
    {
        // patched with itself nothing moves
        Graph("--prompt", "Hello", "--patch-prompt", "Hello");
        Assert.Contains("left out: ablating everything does not change the metric there", Measure("--errors", "nodes").Done().Output);
        Assert.All(RunDirectory.ReadTable(Run, "faithfulness").Values<double>("faithfulness"), f => Assert.True(double.IsNaN(f)));
    }

    [Fact]
    public void What_cannot_be_measured_is_refused()
    {
        Graph("--prompt", "Hello");
        Measure("--ablation", "patch").Failed(1, "patch prompt", "patch_prompt");
        Measure("--ablation", "mean").Failed(2, "--mean-text");
        Measure("--ablation", "mean", "--mean-text", _directory["none"]).Failed(1, "no file " + _directory["none"]);
        File.WriteAllText(_directory["empty.txt"], "");
        Measure("--ablation", "mean", "--mean-text", _directory["empty.txt"]).Failed(1, "empty.txt holds no text");
        File.WriteAllText(_directory["empty.txt"], "<|endoftext|>\n<|endoftext|>\n");
        Measure("--ablation", "mean", "--mean-text", _directory["empty.txt"]).Failed(1, "has no tokens");
        File.WriteAllBytes(_directory["windows.txt"], [0x43, 0x61, 0x66, 0xE9]);
        Measure("--ablation", "mean", "--mean-text", _directory["windows.txt"]).Failed(1, "windows.txt is no text in UTF-8");
        Measure("--ablation", "none").Failed(2, "'none'", "zero, mean, patch");
        Assert.DoesNotContain("--", Measure("--prompt", "Hello you").Failed(1, "6 tokens", "has 10", "summed over positions").Error);
        Measure("--prompt", "").Failed(2, "empty");
        Measure("--target", "x").Failed(2, "--target goes with --prompt");
        Measure("--sites", "resid").Failed(2, "--sites has no meaning with --faithfulness");
        Measure("--points", "1").Failed(2, "--points 1", "from 2");
        Measure("--circuit", "0:1").Failed(2, "--circuit and --faithfulness");
        Verb.Run("ablate", "--model", model.Bundle, "--faithfulness", _directory["none"]).Failed(1, "run.json does not exist");
        Assert.False(RunDirectory.HasTable(Run, "faithfulness"));
    }

    [Fact]
    public void Cancelled_it_leaves_the_run_as_it_was()
    {
        Graph("--prompt", "The quick brown fox jumps over");
        var before = Directory.GetFiles(Run).Order().ToDictionary(f => f, File.ReadAllBytes);
        // minutes of work; wherever in it the cancel falls
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        Verb.Run(cancel.Token, "ablate", "--model", model.Bundle, "--faithfulness", Run, "--points", "1000", "--controls", "1000")
            .Failed(130, "cancelled");
        Assert.Equal(before.Keys, Directory.GetFiles(Run).Order());
        Assert.All(before, f => Assert.Equal(f.Value, File.ReadAllBytes(f.Key)));
    }

    private void Graph(params string[] more) =>
        Verb.Run(["graph", "--model", model.Bundle, "--sites", "resid", "--out", Run, .. more]).Done();

    private Verb Measure(params string[] more) => Verb.Run(["ablate", "--model", model.Bundle, "--faithfulness", Run, .. more]);
}
