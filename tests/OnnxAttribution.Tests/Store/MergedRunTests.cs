using System.Text.Json.Nodes;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.Store;

/// <summary>The mean of a batch's runs: where it lies, what replaces it, and when it counts.</summary>
public class MergedRunTests
{
    private static readonly JsonObject s_merged = new() { ["merged"] = true, ["ids"] = new JsonArray("a", "b") };

    [Theory, InlineData(false), InlineData(true)]
    public void The_mean_of_a_batch_is_not_counted_among_its_runs(bool old)
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old), merged = Path.Combine(all, "merged");
        Assert.Equal(["a", "b"], new RunQuery([all]).Runs);
        foreach (var named in old ? (string[])[merged] : [merged, Path.Combine(merged, "mean"), merged + Path.DirectorySeparatorChar])
        {
            Assert.Equal(["merged"], new RunQuery([named]).Runs);
            Assert.Empty(new RunQuery([named]).LeftOut);
            Assert.Equal(["a", "b"], new RunQuery([all, named]).Runs);
            Assert.Equal(["b"], new RunQuery([Path.Combine(all, "b"), named]).Runs);
            Assert.Equal(merged, Path.TrimEndingDirectorySeparator(Assert.Single(new RunQuery([named, Path.Combine(all, "b")]).LeftOut)));
        }
    }

    [Fact]
    public void Means_of_other_batches_are_counted_and_told_apart()
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old: false, "all"), more = Batch(directory, old: true, "more");
        var query = new RunQuery([Path.Combine(all, "a"), Path.Combine(more, "merged")]);
        Assert.Equal(["a", "merged"], query.Runs);
        Assert.Empty(query.LeftOut);
        Assert.Equal([Path.Combine(all, "merged"), Path.Combine(more, "merged")],
            new RunQuery([Path.Combine(all, "merged"), Path.Combine(more, "merged")]).Runs);
        // with the prompts' runs gone the mean is what the batch holds
        Directory.Delete(Path.Combine(all, "a"), recursive: true);
        Directory.Delete(Path.Combine(all, "b"), recursive: true);
        Assert.Equal(["merged"], new RunQuery([all]).Runs);
    }

    [Fact]
    public void A_run_named_mean_is_no_mean()
    {
        using var directory = new AwkwardDirectory();
        RunSamples.Write(directory, "all/mean");
        RunSamples.Write(directory, "all/other");
        Assert.Equal(["mean", "other"], new RunQuery([directory["all"]]).Runs);
        Assert.Contains("is no run itself, it holds 2: mean, other",
            Assert.Throws<RunDirectoryException>(() => RunDirectory.Read(directory["all"])).Message);
    }

    [Fact]
    public void Patterns_of_one_level_match_the_prompts_runs_alone()
    {
        using var directory = new AwkwardDirectory();
        var all = Batch(directory, old: false);
        foreach (var file in (string[])["nodes", "edges"])
        {
            string[] found = [.. Directory.GetDirectories(all).Select(run => Path.Combine(run, $"{file}.parquet")).Where(File.Exists)];
            Assert.Equal([Path.Combine(all, "a"), Path.Combine(all, "b")],
                found.Select(f => Path.GetDirectoryName(f)!).Order(StringComparer.Ordinal));
        }
        Assert.False(File.Exists(Path.Combine(all, "merged", "run.json")));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Whoever_reads_or_adds_to_merged_means_the_mean(bool old)
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old), merged = Path.Combine(all, "merged");
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(merged).Nodes);
        RunDirectory.Annotate(merged, "validation", TableSamples.Odd(), new JsonObject { ["seen"] = 1 }.ToAddition());
        RunDirectory.Amend(merged, new JsonObject { ["also"] = 2 }.ToAddition());
        Assert.True(RunDirectory.HasTable(merged, "validation"));
        Assert.Equal(TableSamples.Odd().Count, RunDirectory.ReadTable(merged, "validation").Count);
        Assert.Equal(old, File.Exists(Path.Combine(merged, "validation.parquet")));
        var facts = RunDirectory.Read(merged).Facts;
        Assert.Equal((1, 2), ((int)facts["seen"]!, (int)facts["also"]!));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Force_replaces_the_mean_where_it_is_now_and_where_it_was_and_whoever_is_killed_leaves_one_of_them(bool old)
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old), merged = Path.Combine(all, "merged");
        Assert.Equal([Setting.Force], Assert.Throws<RunDirectoryException>(() => RunDirectory.CheckMeanFree(all, force: false)).Settings);
        Assert.Throws<RunDirectoryException>(() => WriteMean(all, force: false, 1));
        var steps = 0;
        using (new FileSteps(all, _ =>
        {
            steps++;
            Assert.Contains(RunDirectory.Read(merged).Nodes.Count, (int[])[1, 4]);
        }))
        {
            WriteMean(all, force: true, 1);
        }

        Assert.InRange(steps, 1, 10);
        Assert.Single(RunDirectory.Read(merged).Nodes);
        Assert.Equal([Path.Combine(merged, "mean")], Directory.GetFileSystemEntries(merged));
        Assert.Equal(["a", "b", "merged"], Directory.GetFileSystemEntries(all).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory, InlineData("merged/notes.txt"), InlineData("merged/mean/notes.txt"), InlineData("merged/other/notes.txt")]
    public void Force_replaces_nothing_that_no_run_wrote(string file)
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old: false), notes = Path.Combine(all, file);
        Directory.CreateDirectory(Path.GetDirectoryName(notes)!);
        File.WriteAllText(notes, "mine");
        Assert.Contains("which no run wrote", Assert.Throws<RunDirectoryException>(() => WriteMean(all, force: true, 1)).Message);
        Assert.Equal("mine", File.ReadAllText(notes));
        Assert.Equal(4, RunDirectory.Read(Path.Combine(all, "merged")).Nodes.Count);
    }

    [Theory, InlineData("a", "run.json"), InlineData("merged/mean", "validation.parquet"), InlineData("a", "graph.html")]
    public void Force_replaces_no_run_that_somebody_adds_to(string run, string file)
    {
        using var directory = new AwkwardDirectory();
        var all = Batch(directory, old: false);
        void Replace() => _ = run == "a" ? RunSamples.Write(directory, "all/a", force: true) : WriteMean(all, force: true, 1);
        using (new OutputFile(Path.Combine(all, run, file)))
        {
            Assert.Contains("is being written or added to by another program right now",
                Assert.Throws<RunDirectoryException>(Replace).Message);
        }
        Replace();
    }

    [Fact]
    public void What_was_found_of_a_run_is_not_added_to_the_one_that_has_taken_its_place()
    {
        using var directory = new AwkwardDirectory();
        static JsonObject At(string time) => new() { ["prompt"] = "x", ["finished_at"] = time };
        var run = RunSamples.Write(directory, "run", At("2026-01-01T00:00:00Z"));
        var begun = RunDirectory.ReadRecord(run);
        RunDirectory.Annotate(run, "faithfulness", TableSamples.Odd(),
            new RunAddition { Faithfulness = new FaithfulnessRecord { Prompts = 1 }, BegunWith = begun });
        // what else was added meanwhile makes no other run of it
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition { BegunWith = begun });
        RunSamples.Write(directory, "run", At("2026-01-01T00:00:01Z"), force: true);
        Assert.Contains("nothing was added", Assert.Throws<RunDirectoryException>(() =>
            RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition { BegunWith = begun })).Message);
        Assert.False(RunDirectory.HasTable(run, "validation"));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_mean_cancelled_while_it_is_written_leaves_what_was_there(bool before)
    {
        using var directory = new AwkwardDirectory();
        string all = directory["all"], merged = Path.Combine(all, "merged");
        if (before) Batch(directory, old: false);
        else RunSamples.Write(directory, "all/a");
        using var cancel = new CancellationTokenSource();
        IEnumerable<ReadOnlyMemory<CausalEdge>> Cancelling()
        {
            yield return RunSamples.Edges;
            cancel.Cancel();
            yield return RunSamples.Edges;
        }
        Assert.ThrowsAny<OperationCanceledException>(() =>
            RunDirectory.WriteMean(all, new RunContents(RunSamples.Nodes, Cancelling(), 0, new GraphRunRecord()),
                force: true, cancel.Token));
        Assert.Equal(before ? ["a", "b", "merged"] : ["a"],
            Directory.GetFileSystemEntries(all).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        if (before) Assert.Equal(4, RunDirectory.Read(merged).Nodes.Count);
    }

    [Fact]
    public void Query_takes_what_the_shell_makes_of_a_pattern_and_says_what_it_leaves_out()
    {
        using var directory = new AwkwardDirectory();
        string all = Batch(directory, old: false), merged = Path.Combine(all, "merged");
        string[] expanded = [.. Directory.GetDirectories(all).Order(StringComparer.Ordinal)];
        Assert.Equal(3, expanded.Length);
        const string Sql = "SELECT run, count(*) AS n FROM nodes GROUP BY run ORDER BY run";
        var query = Verb.Run(["query", .. expanded, Sql, "--format", "csv", "--out", directory["rows.csv"], "--force"]);
        Assert.Equal((0, $"note: left out {merged}, the mean of runs beside it; name it alone to query it\n"),
            (query.Code, query.Error.ReplaceLineEndings("\n")));
        Assert.Equal(["run,n", "a,4", "b,4"], File.ReadAllLines(directory["rows.csv"]));
        Verb.Run("query", all, Sql, "--also", merged, "--format", "csv", "--out", directory["rows.csv"], "--force");
        Assert.Equal(["run,n", "a,4", "b,4"], File.ReadAllLines(directory["rows.csv"]));
        Verb.Run("query", merged, Sql, "--format", "csv", "--out", directory["rows.csv"], "--force").Done();
        Assert.Equal(["run,n", "merged,4"], File.ReadAllLines(directory["rows.csv"]));
        Verb.Run("query", all, "SELECT", "1").Failed(2, "no use for '1'", "quotes");
        File.WriteAllText(directory["notes.txt"], "");
        Verb.Run("query", all, directory["notes.txt"], Sql).Failed(1, "notes.txt holds no run");
    }

    private static string Batch(AwkwardDirectory directory, bool old, string name = "all")
    {
        RunSamples.Write(directory, $"{name}/a");
        RunSamples.Write(directory, $"{name}/b");
        if (old) RunSamples.Write(directory, $"{name}/merged", (JsonObject)s_merged.DeepClone());
        else WriteMean(directory[name], force: false, 4);
        return directory[name];
    }

    private static string WriteMean(string batch, bool force, int nodes) =>
        RunDirectory.WriteMean(batch, new RunContents(RunSamples.Nodes[..nodes], nodes == 4 ? [RunSamples.Edges] : [],
            RunSamples.MetricPosition, ((JsonObject)s_merged.DeepClone()).ToRecord()), force, default);
}
