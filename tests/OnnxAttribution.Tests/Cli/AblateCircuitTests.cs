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
        Assert.Contains("circuit  3 features at 2 sites (0.resid:14 0.resid:10 1.mlp:8): activations × 0", output);
        Assert.Contains("0 '<|endoftext|>'  1 'H'", output);
        Assert.Contains("metric   logit of 'x' after position 5: clean ", output);
        foreach (var part in (string[])["Next token", "circuit ablated", "Most moved by the circuit", "of the former", "Most moved by controls (mean of 10 random circuits)", "features 0", "runtime calls"]) Assert.Contains(part, output);
        Assert.DoesNotContain("…", output);
    }

    [Fact]
    public void A_run_its_nodes_a_text_file_and_a_text_are_the_same_circuit()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--top-nodes", "2", "--out", _directory["run"]).Done();
        var kept = RunDirectory.Read(_directory["run"]).Nodes.Where(n => n.Kept && n.Feature >= 0).ToList();
        var text = string.Join("\n", kept.Select(n => $"{n.Site}:{n.Feature}@{n.Position}"));
        File.WriteAllText(_directory["circuit.txt"], text + "\n");
        JsonNode Json(string circuit, params string[] more) => Without(JsonNode.Parse(Ablate(circuit, ["--prompt", "Hello", "--json", .. more]).Done().Output)!);
        var run = Json(_directory["run"]);
        Assert.Equal(kept.Count, run["circuit"]!.AsArray().Count);
        foreach (var other in (JsonNode[])[Json(Path.Combine(_directory["run"], "nodes.parquet")), Json(_directory["circuit.txt"], "--sites", "resid"), Json(text.Replace('\n', ';'), "--sites", "resid")])
        {
            Assert.True(JsonNode.DeepEquals(run, other), $"{run}\n{other}");
        }
        // a run knows its sites: everything but the circuit is everything there, and no other site
        var keeps = Json(_directory["run"], "--keep");
        Assert.True(JsonNode.DeepEquals(keeps, Json(text.Replace('\n', ';'), "--keep", "--sites", "resid")));
        Assert.NotEqual((double)run["prompts"]![0]!["ablated_metric"]!, (double)keeps["prompts"]![0]!["ablated_metric"]!);
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
        File.WriteAllText(_directory["prompts.jsonl"], "{\"prompt\": \"Hello\", \"id\": \"a\"}\n{\"prompt\": \"Jelly fish\", \"target\": \"x\"}\n");
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
        Verb.Run("ablate", "--model", model.Bundle, "--prompt", "Hello", "--sites", "blocks.0.hook_resid_pre", "--no-logits", "--out", _directory["run"]).Done();
        var active = RunDirectory.Read(_directory["run"]).Nodes.Select(n => n.Feature).ToHashSet();
        int[] idle = [.. Enumerable.Range(0, 40).Where(f => !active.Contains(f)).Take(2)];
        Assert.Equal(2, idle.Length);
        Assert.Contains("active   none of the circuit's 2 features on this prompt, so there is nothing to ablate", Ablate($"0:{idle[0]},{idle[1]}", "--prompt", "Hello").Done().Output);
        var mixed = JsonNode.Parse(Ablate($"0:{idle[0]},{active.First()}", "--prompt", "Hello", "--json").Done().Output)!["prompts"]![0]!;
        Assert.Equal((2, 1), ((int)mixed["size"]!, (int)mixed["active_size"]!));
    }

    [Fact]
    public void The_same_seed_draws_the_same_controls()
    {
        string Controls(string seed) => JsonNode.Parse(Ablate("0:14,10,3;1:3,2", "--prompt", "Hello", "--seed", seed, "--json").Done().Output)!["prompts"]![0]!["control_metrics"]!.ToJsonString();
        Assert.Equal(Controls("1"), Controls("1"));
        Assert.NotEqual(Controls("1"), Controls("2"));
    }

    [Theory]
    [InlineData(1, "0:x", "'x'", "'0:x'", "no feature")]
    [InlineData(1, "9:1", "blocks.9.hook_resid_pre", "Did you mean")]
    [InlineData(1, "0:40", "no feature 40", "0 to 39")]
    [InlineData(1, "0:1@6", "position 6", "0 to 5")]
    [InlineData(1, "", "empty", "3:953")]
    [InlineData(1, "missing.txt", "no file 'missing.txt'", "run directory")]
    public void A_circuit_that_cannot_be_is_refused_in_one_line(int code, string circuit, params string[] words) => Ablate(circuit, "--prompt", "Hello").Failed(code, words);

    [Fact]
    public void Options_that_cannot_be_meant_are_refused()
    {
        Ablate("0:1", "--prompt", "Hello", "--coefficient", "much").Failed(2, "--coefficient cannot be 'much'", "a number");
        Ablate("0:1", "--prompt", "Hello", "--coefficient", "NaN").Failed(2, "--coefficient cannot be 'NaN'");
        Ablate("0:1").Failed(2, "no prompt");
        Ablate("0:1", "--prompt", "Hello", "--errors", "keep").Failed(2, "--errors goes with --faithfulness");
        Ablate("0:1", "--prompt", "Hello", "--force").Failed(2, "--force goes with --out");
        Ablate("0:1", "--prompt", "Hello", "--controls", "-1").Failed(2, "--controls -1", "from 0");
        Ablate("0.mlp:1", "--prompt", "Hello", "--sites", "resid").Failed(1, "not among the selected", "--sites");
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

    private Verb Ablate(string circuit, params string[] more) => Verb.Run(["ablate", "--model", model.Bundle, "--circuit", circuit, .. more]);

    private static JsonNode Without(JsonNode json)
    {
        json.AsObject().Remove("seconds_in_all");
        return json;
    }
}
