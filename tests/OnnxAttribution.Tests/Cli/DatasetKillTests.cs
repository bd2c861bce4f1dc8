using System.Diagnostics;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A dataset whose program the kernel kills, again and again: minutes, run by <c>make test-kills</c>.</summary>
public sealed class DatasetKillTests(ITestOutputHelper output) : IDisposable
{
    private const int Prompts = 500, PartSize = 4, Kills = 50, Seed = 0;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact(Explicit = true)]
    public void Killed_at_50_random_moments_of_500_prompts_and_resumed_it_has_the_same_bytes()
    {
        string[] words = ["Copyright (C", "The quick brown", "in the", "GNU General", "def __init__"];
        File.WriteAllLines(_directory["p.jsonl"], Enumerable.Range(0, Prompts).Select(i => $$"""{"prompt": "{{words[i % 5]}} {{i}}"}"""));
        File.WriteAllLines(_directory["one.jsonl"], File.ReadLines(_directory["p.jsonl"]).Take(PartSize));
        var watch = Stopwatch.StartNew();
        Assert.True(Ended("one", Timeout.InfiniteTimeSpan, "one.jsonl"));
        var start = watch.Elapsed.TotalSeconds;
        watch.Restart();
        Assert.True(Ended("whole", Timeout.InfiniteTimeSpan));
        var seconds = watch.Elapsed.TotalSeconds;
        // as long as it takes to be killed so often on the way, and a start for each, which a busy machine takes seconds for
        var (random, longest) = (new Random(Seed), 2 * ((seconds / Kills) + start));
        var (first, second, rounds) = (0, 0, 0);
        for (var name = "set0"; ; name = $"set{rounds}")
        {
            var isLast = first + second == Kills;
            if (Ended(name, isLast ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(longest * random.NextDouble())))
            {
                PromptDatasetTests.Same(new(_directory["whole"]), new(_directory[name]));
                if (isLast) break;
                rounds++;
            }
            else if (Directory.Exists(_directory[$"{name}/sums/edges"]))
            {
                second++;
            }
            else
            {
                first++;
            }
        }
        output.WriteLine($"{Prompts} prompts in {seconds:0.0} s, {PartSize} in {start:0.0} s; "
            + $"{first} kills in the first pass and {second} in the second, over "
            + $"{rounds + 1} datasets, the same bytes each time; {watch.Elapsed.TotalSeconds:0} s in all");
        Assert.InRange(first, Kills / 10, Kills);
        Assert.InRange(second, Kills / 10, Kills);
    }

    // whether it came to its end before it was killed
    private bool Ended(string name, TimeSpan after, string prompts = "p.jsonl")
    {
        var call = TestedProgram.Call("graph", "--model", Repository.TinyModel, "--prompts", _directory[prompts], "--part-size",
            $"{PartSize}", "--resume", "--out", _directory[name]);
        (call.RedirectStandardOutput, call.RedirectStandardError) = (true, true);
        using var process = Process.Start(call)!;
        var said = "";
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, line) => said += line.Data;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (process.WaitForExit(after))
        {
            Assert.True(process.ExitCode == 0, said);
            return true;
        }
        process.Kill();
        process.WaitForExit();
        return false;
    }
}
