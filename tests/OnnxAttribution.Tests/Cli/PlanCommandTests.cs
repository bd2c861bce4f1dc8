using System.Diagnostics;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>graph --plan</c>.</summary>
public sealed class PlanCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_plan_says_what_a_graph_takes_and_writes_nothing()
    {
        var output = Plan("--prompt", "Hello", "--out", _directory["run"]).Output;
        Assert.Contains("Rows of the prompt, 6 tokens", output);
        Assert.Contains("assumed: features are as active, and the strongest stand where they do, as in 6 of its tokens", output);
        Assert.Matches(@"rates, measured now: \d+ GFLOP/s, \d+ GB/s", output);
        Assert.Contains("nothing was drawn or written", output);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void As_json_it_has_the_operations_that_run_json_has()
    {
        string[] asked = ["--prompt", "Hello you", "--refine", "off", "--top-nodes", "2", "--json"];
        var plan = JsonNode.Parse(Plan(asked).Output)!;
        var graph = Verb.Run(["graph", "--model", model.Bundle, "--out", _directory["run"], "--no-page", .. asked]).Done();
        var run = JsonNode.Parse(graph.Output)!;
        Assert.Equal((long)run["operations"]!, (long)plan["operations"]!);
        Assert.Equal(7, plan["sites"]!.AsArray().Count);
        Assert.Equal((long)plan["memory_bytes"]!, plan["memory"]!.AsArray().Sum(m => (long)m!["bytes"]!));
        Assert.True((long)plan["least_memory_bytes"]! < (long)plan["available_memory_bytes"]!);
        Assert.True((double)plan["seconds"]! > 0 && (double)plan["start_seconds"]! > 0);
    }

    [Fact]
    public void Of_many_prompts_it_says_what_the_dataset_and_a_shard_take()
    {
        var file = _directory["p.jsonl"];
        File.WriteAllLines(file, [.. Enumerable.Range(1, 10).Select(i => $$"""{"prompt": "{{new string('a', i)}}"}"""), "no object"]);
        var plan = JsonNode.Parse(Plan("--prompts", file, "--part-size", "2", "--shard", "2/3", "--json").Output)!;
        Assert.Equal((10, 1, 6), ((int)plan["dataset"]!["prompts"]!, (int)plan["failing"]!, (int)plan["dataset"]!["parts"]!));
        Assert.Equal((4, 2, 3), ((int)plan["shard"]!["prompts"]!, (int)plan["shard"]!["number"]!, (int)plan["shard"]!["of"]!));
        Assert.Equal(55 + 10, (int)plan["prompt_tokens"]!);   // a BOS each
        Assert.True((long)plan["shard"]!["file_bytes"]! < (long)plan["dataset"]!["file_bytes"]!);
        var words = Plan("--prompts", file, "--shard", "1/1").Output;
        Assert.Contains("10 prompts in 1 part,", words);
        Assert.Contains("1 line without a graph, which --dry-run tells", words);
    }

    [Fact]
    public void Memory_of_a_dataset_of_the_embedded_model_is_good_to_a_factor_of_2()
    {
        var file = _directory["p.jsonl"];
        string[] words = ["Copyright (C) the", "The quick brown fox jumps", "in the house by the sea", "GNU General Public License"];
        File.WriteAllLines(file, Enumerable.Range(0, 64).Select(i => $$"""{"prompt": "{{words[i % 4]}} {{i}}"}"""));
        string[] asked = ["graph", "--model", Repository.TinyModel, "--prompts", file, "--json"];
        var plan = JsonNode.Parse(Verb.Run([.. asked, "--plan"]).Done().Output)!;
        var call = TestedProgram.Call([.. asked, "--no-page", "--out", _directory["set"]]);
        (call.RedirectStandardOutput, call.RedirectStandardError) = (true, true);
        using var process = Process.Start(call)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var peak = 0L;
        while (!process.WaitForExit(TimeSpan.FromMilliseconds(50)))
        {
            process.Refresh();
            try
            {
                peak = Math.Max(peak, process.PeakWorkingSet64);
            }
            catch (InvalidOperationException)
            {
                // it has ended since it was asked
            }
        }
        Assert.Equal(0, process.ExitCode);
        Assert.InRange((long)plan["memory_bytes"]!, peak / 2, 2 * peak);
        Assert.Equal((long)plan["memory_bytes"]!, plan["memory"]!.AsArray().Sum(m => (long)m!["bytes"]!));
    }

    [Fact]
    public void Lines_without_the_metrics_position_are_failing_ones_and_parts_may_be_as_large_as_can_be()
    {
        var file = _directory["p.jsonl"];
        File.WriteAllLines(file, [.. Enumerable.Range(1, 9).Select(i => $"{{\"prompt\": \"{new string('a', i)}\"}}")]);
        var plan = JsonNode.Parse(Plan("--prompts", file, "--position", "4", "--part-size", "2147483647", "--json").Output)!;
        Assert.Equal((6, 3, 1), ((int)plan["dataset"]!["prompts"]!, (int)plan["failing"]!, (int)plan["dataset"]!["parts"]!));
        Verb.Run("graph", "--model", model.Bundle, "--plan", "--prompts", file, "--position", "20")
            .Failed(1, "no prompt has 21 to 32 tokens, as the metric and the model's context ask for");
        Verb.Run("graph", "--model", model.Bundle, "--plan", "--prompt", "a", "--position", "7")
            .Failed(1, "position 7 is outside the prompt, whose tokens are 0 to 1");
    }

    [Theory]
    [InlineData("--dry-run", "--prompts", "x"), InlineData("--directories", "--prompts", "x"), InlineData("--validate", "--prompt", "x"),
        InlineData("--certify", "--prompt", "x")]
    public void What_there_is_no_plan_of_is_refused(string option, params string[] rest) =>
        Verb.Run(["graph", "--plan", "--model", model.Bundle, option, .. rest]).Failed(2, "--plan has nothing to say of", option);

    [Fact]
    public void A_prompt_that_cannot_be_used_fails_as_it_would_in_a_run()
    {
        Verb.Run("graph", "--plan", "--model", model.Bundle, "--prompt", "Hello", "--target", "no token").Failed(1, "--target");
        Verb.Run("graph", "--plan", "--model", model.Bundle, "--prompt", new string('a', 40)).Failed(1, "context");
        Verb.Run("graph", "--plan", "--model", model.Bundle, "--prompt", "Hello", "--position", "9").Failed(1, "--position");
    }

    private Verb Plan(params string[] args) => Verb.Run(["graph", "--plan", "--model", model.Bundle, .. args]).Done();
}
