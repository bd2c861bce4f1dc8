using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>ablate --circuit</c>.</summary>
public sealed class AblateCircuitTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Three_tables_say_what_a_circuit_and_its_controls_do()
    {
        var output = Ablate("0:14,10;1.mlp:8", "--prompt", "Hello", "--target", "x").Done().Output;
        Assert.Contains("circuit  3 features at 2 sites (0:14; 0:10; 1.mlp:8): activations × 0", output);
        Assert.Contains("0 '<|endoftext|>'  1 'H'", output);
        Assert.Contains("metric   logit of 'x' after position 5: clean ", output);
        foreach (var part in (string[])["Next token", "circuit ablated", "Most moved by the circuit", "of the former",
            "Most moved by controls (mean of 10 random circuits)", "features 0", "runtime calls"])
        {
            Assert.Contains(part, output);
        }
        Assert.DoesNotContain("…", output);
    }

    [Fact]
    public void Features_are_set_to_values_active_or_not()
    {
        string[] asked = ["ablate", "--model", model.Bundle, "--prompt", "Hello", "--target", "x"];
        var output = Verb.Run([.. asked, "--set", "0:14=12@3;1.mlp:8=0"]).Done().Output;
        Assert.Contains("circuit  2 features at 2 sites (0:14@3 = 12; 1.mlp:8 = 0)\n", output);
        Assert.Contains("features set", output);
        Assert.Contains("of 2 features in the clean run", output);
        var json = JsonNode.Parse(Verb.Run([.. asked, "--set", "0:14=12@3;1.mlp:8=0", "--json"]).Done().Output)!;
        Assert.Equal([12, 0], json["circuit"]!.AsArray().Select(n => (double)n!["value"]!));
        // a circuit may set some features and scale the others
        Assert.Contains("(0:14@3 = 12; 1.mlp:8): activations × 0.5", Verb.Run([.. asked, "--circuit", "0:14=12@3;1.mlp:8", "--coefficient",
            "0.5"]).Done().Output);
        Verb.Run([.. asked, "--set", "0:14=12;0:3"]).Failed(1, "'0:3' has no value", "3:953=12@5");
        Verb.Run([.. asked, "--set", "0:14=12@9"]).Failed(1, "position 9", "0 to 5");
        Verb.Run([.. asked, "--set", "0:14=12", "--keep"]).Failed(2, "--keep goes with --circuit");
        Verb.Run([.. asked, "--set", "0:14=12", "--circuit", "0:3"]).Failed(2, "--circuit and --set ask for different things");
        Verb.Run([.. asked, "--circuit", "0:14=12", "--keep"]).Failed(1, "what is kept stays as it is");
        Verb.Run(["ablate", "--prompt", "Hello", "--set", "0:14=12"]).Failed(2, "--model");
    }

    [Fact]
    public void A_run_its_nodes_a_text_file_and_a_text_are_the_same_circuit()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--top-nodes", "2", "--out", _directory["run"])
            .Done();
        var kept = RunDirectory.Read(_directory["run"]).Nodes.Where(n => n.Kept && n.Feature >= 0).ToList();
        var text = string.Join("\n", kept.Select(n => $"{n.Site}:{n.Feature}@{n.Position}"));
        File.WriteAllText(_directory["circuit.txt"], text + "\n");
        JsonNode Json(string circuit, params string[] more) =>
            Without(JsonNode.Parse(Ablate(circuit, ["--prompt", "Hello", "--json", .. more]).Done().Output)!);
        var run = Json(_directory["run"]);
        Assert.Equal(kept.Count, run["circuit"]!.AsArray().Count);
        foreach (var other in (JsonNode[])[Json(Path.Combine(_directory["run"], "nodes.parquet")),
            Json(_directory["circuit.txt"], "--sites", "resid"), Json(text.Replace('\n', ';'), "--sites", "resid")])
        {
            Assert.True(JsonNode.DeepEquals(run, other), $"{run}\n{other}");
        }
        // a run knows its sites: everything but the circuit is everything there, and no other site
        var keeps = Json(_directory["run"], "--keep");
        Assert.True(JsonNode.DeepEquals(keeps, Json(text.Replace('\n', ';'), "--keep", "--sites", "resid")));
        Assert.NotEqual((double)run["prompts"]![0]!["ablated_metric"]!, (double)keeps["prompts"]![0]!["ablated_metric"]!);
    }

    [Fact]
    public void A_runs_circuit_is_measured_by_the_runs_metric_unless_another_is_asked_for()
    {
        var run = _directory["run"];
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--metric", "logit-diff", "--target", "x", "--foil", "y",
            "--position", "3", "--top-nodes", "2", "--out", run).Done();
        var clean = (double)RunDirectory.Read(run).Facts["clean_metric"]!;
        JsonNode Json(params string[] more) => JsonNode.Parse(Ablate(run, ["--json", .. more]).Done().Output)!;
        foreach (var json in (JsonNode[])[Json(), Json("--prompt", "Hello")])
        {
            var prompt = json["prompts"]![0]!;
            Assert.Equal(("logit-diff", "x", "y", 3),
                ((string)json["metric"]!, (string)prompt["target"]!, (string)prompt["foil"]!, (int)prompt["position"]!));
            Assert.Equal(clean, (double)prompt["clean_metric"]!, 1e-4);
            Assert.Equal(run, (string)json["run"]!);
        }
        var output = Ablate(run).Done().Output;
        Assert.Contains($"run      {run}: its prompt, metric, target, foil, position", output);
        Assert.Contains("metric   logit-diff of 'x' over 'y' after position 3", output);
        Assert.Contains("metric   logprob of 'z' after position 5",
            Ablate(run, "--metric", "logprob", "--target", "z", "--position", "5").Done().Output);
        Assert.Contains("logit-diff of 'x' over 'q' after position 3", Ablate(run, "--foil", "q").Done().Output);
        // another prompt has another end, and no target but its own where a file names it
        Assert.Contains("metric   logit-diff of 'x' over 'y' after position 5", Ablate(run, "--prompt", "Jelly").Done().Output);
        File.WriteAllText(_directory["prompts.jsonl"], """{"prompt": "Jelly", "target": "a", "foil": "b"}""");
        Assert.Contains("metric   logit-diff of 'a' over 'b' after position 5",
            Ablate(run, "--prompts", _directory["prompts.jsonl"]).Done().Output);
        Ablate(run, "--prompts", _directory["prompts.jsonl"], "--target", "x").Failed(2, "--target goes with --prompt");
        Ablate(run, "--metric", "logit", "--foil", "y").Failed(2, "--foil goes with --metric logit-diff");
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--patch-prompt", "Jelly", "--top-nodes", "2", "--out", run,
            "--force").Done();
        Assert.Contains("its patch prompt has no part", Ablate(run).Done().Output);
        Ablate(run, "--foil", "y").Failed(1, "a foil goes with the metric logit-diff", run, "(--foil or --metric)");
    }

    [Fact]
    public void A_merged_circuit_is_measured_on_the_prompts_it_was_merged_from()
    {
        File.WriteAllLines(_directory["prompts.jsonl"],
            ["""{"prompt": "Hello", "target": "x", "id": "a"}""", """{"prompt": "a longer prompt"}"""]);
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--metric", "logprob",
            "--no-page", "--top-nodes", "2", "--out", _directory["many"]).Done();
        var json = JsonNode.Parse(Ablate(Path.Combine(_directory["many"], "merged"), "--json").Done().Output)!;
        Assert.True(JsonNode.DeepEquals(Without(json.DeepClone()),
            Without(JsonNode.Parse(Ablate(Path.Combine(_directory["many"], "merged", "mean", "nodes.parquet"), "--json").Done().Output)!)));
        Assert.Equal(("logprob", "prompts, metric, target, position"), ((string)json["metric"]!, (string)json["taken_from_run"]!));
        foreach (var (id, prompt) in ((string[])["a", "2"]).Zip(json["prompts"]!.AsArray()))
        {
            var facts = RunDirectory.Read(Path.Combine(_directory["many"], id)).Facts;
            Assert.Equal((id, (string)facts["prompt"]!, (string)facts["target"]!),
                ((string)prompt!["id"]!, (string)prompt["prompt"]!, (string)prompt["target"]!));
            Assert.Equal((double)facts["clean_metric"]!, (double)prompt["clean_metric"]!, 1e-4);
        }
    }

    [Fact]
    public void The_model_is_the_runs_where_none_is_named()
    {
        var run = _directory["run"];
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--top-nodes", "2", "--no-page", "--out", run)
            .Done();
        foreach (var circuit in (string[])[run, Path.Combine(run, "nodes.parquet")])
        {
            var (named, own) = (Ablate(circuit, "--json").Done(), Verb.Run("ablate", "--circuit", circuit, "--json").Done());
            Assert.True(JsonNode.DeepEquals(Without(JsonNode.Parse(named.Output)!), Without(JsonNode.Parse(own.Output)!)));
        }
        Verb.Run("ablate", "--circuit", "0:14", "--prompt", "Hello").Failed(2, "--model is missing", "no run");
        var facts = Path.Combine(run, "run.json");
        var json = JsonNode.Parse(File.ReadAllText(facts))!;
        json["model_path"] = "gone/model";
        File.WriteAllText(facts, json.ToJsonString());
        foreach (var mode in (string[])["--circuit", "--faithfulness"])
        {
            Verb.Run("ablate", mode, run).Failed(1, "made with gone/model, which is not there", "(--model)");
        }
    }

    [Fact]
    public void A_coefficient_of_1_leaves_every_number_as_it_was()
    {
        var prompt = JsonNode.Parse(Ablate("0:14;1:3", "--prompt", "Hello", "--coefficient", "1", "--json").Done().Output)!["prompts"]![0]!;
        Assert.Equal((double)prompt["clean_metric"]!, (double)prompt["ablated_metric"]!);
        Assert.Empty(prompt["circuit"]!["up"]!.AsArray());
        Assert.Empty(prompt["circuit"]!["down"]!.AsArray());
        Assert.True(JsonNode.DeepEquals(prompt["top_clean"], prompt["top_ablated"]));
    }

    [Fact]
    public void Many_prompts_have_tables_each_and_one_file()
    {
        File.WriteAllText(_directory["prompts.jsonl"],
            "{\"prompt\": \"Hello\", \"id\": \"a\"}\n{\"prompt\": \"Jelly fish\", \"target\": \"x\"}\n");
        var file = _directory["out/circuit.parquet"];
        var output = Ablate("1:28,30", "--prompts", _directory["prompts.jsonl"], "--out", file, "--controls", "2").Done().Output;
        Assert.Equal(2, output.Split("Most moved by the circuit").Length - 1);
        Assert.Contains("id       a", output);
        var table = StoredTable.Read(file);
        Assert.Equal(2 * 3 * 257, table.Count);
        Assert.Equal(["a", "2"], table.Values<string?>("prompt_id").Distinct());
        Assert.Equal(["circuit", "random", "feature 0"], table.Values<string?>("circuit").Distinct());
        Assert.Equal(6, table.Values<double>("probability").Sum(), 1e-5);
        Assert.Equal(0, table.Values<double>("change").Sum(), 1e-5);
        Ablate("1:28,30", "--prompt", "Hello", "--out", file).Failed(1, "--force", "circuit.parquet");
        Ablate("1:28,30", "--prompt", "Hello", "--out", file, "--force").Done();
        Assert.Equal(3 * 257, StoredTable.Read(file).Count);
    }

    [Fact]
    public void Features_that_are_not_active_are_told()
    {
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "Hello", "--sites", "blocks.0.hook_resid_pre",
            "--no-tokens", "--out", _directory["run"]).Done();
        var active = RunDirectory.Read(_directory["run"]).Nodes.Select(n => n.Feature).ToHashSet();
        int[] idle = [.. Enumerable.Range(0, 40).Where(f => !active.Contains(f)).Take(2)];
        Assert.Equal(2, idle.Length);
        Assert.Contains("active   none of the circuit's 2 features on this prompt, so there is nothing to ablate",
            Ablate($"0:{idle[0]},{idle[1]}", "--prompt", "Hello").Done().Output);
        var mixed = JsonNode.Parse(Ablate($"0:{idle[0]},{active.First()}", "--prompt", "Hello", "--json").Done().Output)!["prompts"]![0]!;
        Assert.Equal((2, 1), ((int)mixed["size"]!, (int)mixed["active_size"]!));
    }

    [Fact]
    public void The_same_seed_draws_the_same_controls()
    {
        string Controls(string seed) =>
            JsonNode.Parse(Ablate("0:14,10,3;1:3,2", "--prompt", "Hello", "--seed", seed, "--json")
                .Done().Output)!["prompts"]![0]!["control_metrics"]!.ToJsonString();
        Assert.Equal(Controls("1"), Controls("1"));
        Assert.NotEqual(Controls("1"), Controls("2"));
    }

    [Theory]
    [InlineData(1, "0:x", "'x'", "'0:x'", "no feature")]
    [InlineData(1, "9:1", "blocks.9.hook_resid_pre", "Did you mean")]
    [InlineData(1, "0:1 1.mlp:8", "is no site", "';' between sites")]
    [InlineData(1, "0:40", "no feature 40", "0 to 39")]
    [InlineData(1, "0:1@6", "position 6", "0 to 5")]
    [InlineData(1, "", "empty", "3:953")]
    [InlineData(1, "0.14", "0:14 in the residual stream", "0.mlp:14")]
    [InlineData(1, "0:1;0.14", "has no ':'", "0:14 in the residual stream")]
    [InlineData(1, "missing.txt", "no file 'missing.txt'", "run directory")]
    public void A_circuit_that_cannot_be_is_refused_in_one_line(int code, string circuit, params string[] words) =>
        Ablate(circuit, "--prompt", "Hello").Failed(code, words);

    [Fact]
    public void Options_that_cannot_be_meant_are_refused()
    {
        Ablate("0:1", "--prompt", "Hello", "--coefficient", "much").Failed(2, "--coefficient cannot be 'much'", "a number");
        Ablate("0:1", "--prompt", "Hello", "--coefficient", "NaN").Failed(2, "--coefficient cannot be 'NaN'");
        Ablate("0:14", "--prompt", "WGlT", "--coefficient", "3e38")
            .Failed(1, "the logits hold NaN once activations are changed", "too large for float32", "a coefficient nearer to 1");
        Ablate("0:1").Failed(2, "no prompt");
        Ablate("0:1", "--prompt", "Hello", "--errors", "keep").Failed(2, "--errors goes with --faithfulness");
        Ablate("0:1", "--prompt", "Hello", "--force").Failed(2, "--force goes with --out");
        Ablate("0:1", "--prompt", "Hello", "--controls", "-1").Failed(2, "--controls -1", "from 0");
        Ablate("0:1", "--prompt", "Hello", "--controls", "2000000000").Failed(2, "--controls 2000000000", "1000000");
        Ablate("0.mlp:1", "--prompt", "Hello", "--sites", "resid").Failed(1, "not among the selected", "select it too");
    }

    [Fact]
    public void Files_that_are_no_circuit_are_refused()
    {
        RunDirectory.WriteTable(_directory["other.parquet"], new StoredTable(new StoredColumn("a", StoredType.Integer)), force: false);
        Ablate(_directory["other.parquet"], "--prompt", "Hello").Failed(1, "other.parquet", "no table of a graph's nodes", "site");
        Directory.CreateDirectory(_directory["empty"]);
        Ablate(_directory["empty"], "--prompt", "Hello").Failed(1, "run.json does not exist");
        File.WriteAllText(_directory["circuit.txt"], "# nothing\n");
        Ablate(_directory["circuit.txt"], "--prompt", "Hello").Failed(1, "circuit.txt lists no feature", "3:953");
        File.WriteAllText(_directory["circuit.txt"], "0:1\n# more\n1:x # not this\n");
        Ablate(_directory["circuit.txt"], "--prompt", "Hello").Failed(1, "circuit.txt, line 3: 'x' in '1:x'");
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--patch-prompt", "Hello", "--out", _directory["bare"]).Done();
        Ablate(_directory["bare"], "--prompt", "Hello").Failed(1, "bare keeps no node", "make the graph again");
        File.WriteAllBytes(_directory["bytes.txt"], [0xff, 0xfe, 0xff]);
        Ablate(_directory["bytes.txt"], "--prompt", "Hello").Failed(1, "bytes.txt", "cannot be read as a circuit");
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--out", _directory["run"]).Done();
        var facts = Path.Combine(_directory["run"], "run.json");
        var json = JsonNode.Parse(File.ReadAllText(facts))!;
        json["bundle_sha256"] = new string('0', 64);
        File.WriteAllText(facts, json.ToJsonString());
        Ablate(_directory["run"], "--prompt", "Hello").Failed(1, "another model", "00000000", "--model");
        Ablate(Path.Combine(_directory["run"], "nodes.parquet"), "--prompt", "Hello").Failed(1, "another model");
        Verb.Run("ablate", "--model", model.Bundle, "--faithfulness", _directory["run"]).Failed(1, "another model");
    }

    private Verb Ablate(string circuit, params string[] more) =>
        Verb.Run(["ablate", "--model", model.Bundle, "--circuit", circuit, .. more]);

    private static JsonNode Without(JsonNode json)
    {
        foreach (var key in (string[])["seconds_in_all", "run", "taken_from_run"]) json.AsObject().Remove(key);
        return json;
    }
}
