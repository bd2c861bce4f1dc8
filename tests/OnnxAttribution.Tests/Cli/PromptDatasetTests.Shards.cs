using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

// shards and kills
public sealed partial class PromptDatasetTests
{
    [Theory, InlineData(2), InlineData(3), InlineData(7)]
    public void Shards_in_any_order_make_the_bytes_of_the_whole(int shards)
    {
        Dataset("whole", "--part-size 1").Done();
        // once for the prompts' graphs, and once for the edges of their mean
        for (var pass = 0; pass < 2; pass++)
        {
            foreach (var shard in Enumerable.Range(1, shards).Reverse())
            {
                Assert.Contains($"shard {shard} of {shards}", Dataset("shards", $"--part-size 1 --shard {shard}/{shards}").Done().Output);
            }
        }
        Same("whole", "shards");
        // a shard that was done may be run again
        Dataset("shards", $"--part-size 1 --shard 1/{shards}").Done();
        Same("whole", "shards");
    }

    [Theory, InlineData(12, "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=4", 3, 4),
        InlineData(10, "JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=3", 1, 3), InlineData(10, "OTHER=1", 0, 0),
        InlineData(10, "SLURM_ARRAY_TASK_ID=", 0, 0)]
    public void A_scheduler_says_which_shard_it_is(int parts, string variables, int number, int of)
    {
        var set = variables.Split(' ').Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        var shard = DatasetOptions.OfArray(set.GetValueOrDefault);
        Assert.Equal(of == 0 ? null : new PromptShard(number, of), shard);
        if (shard is null) return;
        var shares = Enumerable.Range(1, of).Select(i => new PromptShard(i, of).PartsOf(parts)).ToList();
        Assert.Equal((0, parts), (shares[0].From, shares[^1].To));
        Assert.All(shares.Zip(shares.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
        Assert.InRange(shares.Max(s => s.To - s.From) - shares.Min(s => s.To - s.From), 0, 1);
    }

    [Theory, InlineData("SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=4", "beyond", "--shard I/N"),
        InlineData("SLURM_ARRAY_TASK_ID=9", "SLURM_ARRAY_TASK_MIN is not set", "--shard I/N"),
        InlineData("JOB_COMPLETION_INDEX=0", "JOB_COMPLETIONS is not", "--shard I/N"),
        InlineData("JOB_COMPLETION_INDEX=4 JOB_COMPLETIONS=4", "none of JOB_COMPLETIONS 4", "--shard I/N")]
    public void A_scheduler_that_says_half_is_refused(string variables, params string[] words)
    {
        var set = variables.Split(' ').Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        var why = Assert.Throws<UsageException>(() => DatasetOptions.OfArray(set.GetValueOrDefault));
        Assert.All(words, word => Assert.Contains(word, why.Message));
    }

    [Theory, InlineData("SLURM_ARRAY_TASK_ID"), InlineData("JOB_COMPLETION_INDEX")]
    public void A_run_per_prompt_is_refused_in_an_array(string variable)
    {
        File.WriteAllLines(_directory["p.jsonl"], s_prompts);
        var call = TestedProgram.Call("graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--directories", "--no-page",
            "--out", _directory["runs"]);
        call.Environment[variable] = "1";
        Verb.Start(call).Failed(2, "--directories has no shards", $"{variable} says", $"unset {variable}");
        Assert.False(Directory.Exists(_directory["runs"]));
        // set to nothing it is not set
        Assert.Null(DatasetOptions.WrongInArray(name => name == variable ? "" : null));
    }

    [Fact]
    public void What_another_program_is_writing_is_left_to_it_and_the_rest_is_done()
    {
        Dataset("whole", "--part-size 1").Done();
        Dataset("set", "--part-size 1 --shard 5/5").Done();
        using (AsideName.Claim(_directory["set/part-000002"]))
        {
            var left = Dataset("set", "--part-size 1 --resume").Done().Output;
            Assert.Contains("left to another program, which is writing it: 1 part (2)", left);
            Assert.Contains("mean: not yet, 1 part of the prompts is missing", left);
            Assert.Equal([0, 1, 3, 4], DatasetDirectory.Read(_directory["set"]).Parts);
        }
        Directory.CreateDirectory(_directory["set/sums"]);
        using (AsideName.Claim(_directory["set/sums/part-000001"]))
        {
            var left = Dataset("set", "--part-size 1 --resume").Done().Output;
            Assert.Contains("which is writing it: 1 part (1)", left);
            Assert.Contains("its edges are missing of 1 part", left);
        }
        using (AsideName.Claim(_directory["set/sums"]))
        {
            Assert.Contains("mean: another program is writing it", Dataset("set", "--part-size 1 --resume").Done().Output);
        }
        Assert.Contains("mean: over 5 prompts", Dataset("set", "--part-size 1 --resume").Done().Output);
        Same("whole", "set");
    }

    // two programs at once, without shards
    [Fact]
    public async Task Two_at_once_fill_one_dataset()
    {
        string[] lines = [.. Enumerable.Range(0, 12).Select(i => $$"""{"prompt": "Hello{{i}}"}""")];
        Run("whole", "--part-size 1", lines).Done();
        // ended by themselves, with 0
        var ended = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(() => Killed(Timeout.InfiniteTimeSpan))));
        Assert.All(ended, Assert.True);
        Run("set", "--part-size 1 --resume", lines).Done();
        Same("whole", "set");
    }

    // the real thing: killed by the kernel wherever it is
    [Fact]
    public void Killed_anywhere_and_resumed_it_has_the_same_bytes()
    {
        string[] lines = [.. Enumerable.Range(0, 16).Select(i => $$"""{"prompt": "Hello{{i}}", "id": "p{{i}}"}""")];
        Run("whole", "--part-size 1", lines).Done();
        var watch = Stopwatch.StartNew();
        var (kills, whole) = (0, false);
        for (var wait = 0.8; !whole; wait *= 1.2)
        {
            whole = Killed(TimeSpan.FromSeconds(wait));
            kills += whole ? 0 : 1;
        }
        Assert.True(kills > 1, $"{kills} kills in {watch.Elapsed}");
        Same("whole", "set");
    }

    // whether it was done before it could be killed
    private bool Killed(TimeSpan after)
    {
        var call = TestedProgram.Call("graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--part-size", "1",
            "--resume", "--out", _directory["set"]);
        (call.RedirectStandardOutput, call.RedirectStandardError) = (true, true);
        using var process = Process.Start(call)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (process.WaitForExit(after)) return process.ExitCode == 0;
        process.Kill();
        process.WaitForExit();
        return false;
    }
}
