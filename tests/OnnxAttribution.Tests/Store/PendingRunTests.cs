using OnnxAttribution.Files;
using OnnxAttribution.Store;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.Store;

public class PendingRunTests
{
    [Fact]
    public void A_failed_run_leaves_nothing()
    {
        using var directory = new AwkwardDirectory();
        static IEnumerable<ReadOnlyMemory<CausalEdge>> Failing()
        {
            yield return RunSamples.Edges;
            throw new IOException("the producer's own");
        }
        var error = Assert.Throws<IOException>(() =>
            RunDirectory.Write(directory["run"], new RunContents(RunSamples.Nodes, Failing(), 0, new GraphRunRecord()), force: false));
        Assert.Equal("the producer's own", error.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void The_directory_that_it_was_called_from_is_not_replaced() =>
        Assert.Contains("called from", Assert.Throws<RunDirectoryException>(() => PendingRun.Check(".", force: true)).Message);

    [Fact]
    public void A_cancelled_run_leaves_nothing()
    {
        using var directory = new AwkwardDirectory();
        using var cancel = new CancellationTokenSource();
        IEnumerable<ReadOnlyMemory<CausalEdge>> Cancelling()
        {
            yield return RunSamples.Edges;
            cancel.Cancel();
            yield return RunSamples.Edges;
        }
        Assert.ThrowsAny<OperationCanceledException>(() =>
            RunDirectory.Write(directory["run"], new RunContents(RunSamples.Nodes, Cancelling(), 0, new GraphRunRecord()),
                force: false, cancel.Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void A_run_cancelled_while_DuckDB_writes_leaves_nothing()
    {
        using var directory = new AwkwardDirectory();
        // a busy machine may tell of the file when the run is whole already: then the next one is larger
        for (var (chunks, cancelled) = (200_000, false); !cancelled; chunks *= 2)
        {
            using var cancel = new CancellationTokenSource();
            using var watcher = new FileSystemWatcher(directory.Path) { IncludeSubdirectories = true, EnableRaisingEvents = true };
            watcher.Created += (_, created) =>
            {
                if (created.Name!.Contains("edges.parquet")) cancel.Cancel();
            };
            var edges = Enumerable.Repeat(RunSamples.Edges, chunks).Select(chunk => new ReadOnlyMemory<CausalEdge>(chunk));
            var error = Record.Exception(() =>
                RunDirectory.Write(directory["run"], new RunContents(RunSamples.Nodes, edges, 0, new GraphRunRecord()),
                    force: false, cancel.Token));
            cancelled = error is OperationCanceledException;
            Assert.True(cancelled || (error is null && chunks < 10_000_000),
                $"{chunks} chunks: {error?.Message ?? "nothing cancelled it"}");
            if (!cancelled) Directory.Delete(directory["run"], recursive: true);
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void An_existing_directory_is_refused_before_and_after_the_work()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        foreach (Action refused in new Action[] { () => RunDirectory.CheckFree(run, force: false), () => RunSamples.Write(directory) })
        {
            var error = Assert.Throws<RunDirectoryException>(refused);
            Assert.Contains(run, error.Message);
            Assert.Equal([Setting.Force], error.Settings);
        }
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
    }

    [Fact]
    public void Force_replaces_a_run()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        File.WriteAllText(Path.Combine(run, "circuit.html"), "drawn from the old run");
        RunSamples.Write(directory, facts: new() { ["prompt"] = "new" }, force: true);
        Assert.Equal("new", (string?)RunDirectory.Read(run).Facts["prompt"]);
        Assert.False(File.Exists(Path.Combine(run, "circuit.html")));
        Assert.Equal([run], Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Force_never_replaces_what_is_no_run()
    {
        using var directory = new AwkwardDirectory();
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(directory["photos"]).FullName, "cat.png"), "");
        File.WriteAllText(Path.Combine(RunSamples.Write(directory, "annotated"), "thesis.tex"), "");
        Directory.CreateDirectory(Path.Combine(RunSamples.Write(directory, "nested"), "more"));
        File.WriteAllText(directory["file"], "");
        foreach (var name in new[] { "photos", "annotated", "nested", "file" })
        {
            var error = Assert.Throws<RunDirectoryException>(() => RunSamples.Write(directory, name, force: true));
            Assert.StartsWith(directory[name], error.Message);
        }
        Assert.True(File.Exists(Path.Combine(directory["photos"], "cat.png")));
        Assert.True(File.Exists(Path.Combine(directory["annotated"], "thesis.tex")));
    }

    [Fact]
    public void A_parent_that_cannot_be_written_is_one_clear_line()
    {
        using var directory = new AwkwardDirectory();
        File.WriteAllText(directory["file"], "");
        var path = Path.Combine(directory["file"], "run");
        var error = Assert.Throws<RunDirectoryException>(() =>
            RunDirectory.Write(path, new RunContents([], [], 0, new GraphRunRecord()), force: false));
        Assert.StartsWith($"{path} cannot be written: ", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Missing_parents_are_made()
    {
        using var directory = new AwkwardDirectory();
        RunSamples.Write(directory, "a/b/run");
        Assert.True(File.Exists(directory["a/b/run/run.json"]));
    }

    [Fact]
    public void A_temporary_whose_writer_is_gone_is_cleaned_up_and_one_whose_writer_lives_is_not()
    {
        using var directory = new AwkwardDirectory();
        Directory.CreateDirectory(directory[".run.0123456789abcdef.tmp/spill"]);
        using (var living = new OutputDirectory(directory["run"]))
        {
            Assert.Contains("another program", Assert.Throws<RunDirectoryException>(() => RunSamples.Write(directory)).Message);
            Assert.True(Directory.Exists(living.Aside));
        }
        var run = RunSamples.Write(directory);
        Assert.Equal([run], Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Two_writers_of_one_path_do_not_meet()
    {
        using var directory = new AwkwardDirectory();
        IEnumerable<ReadOnlyMemory<CausalEdge>> Meanwhile()
        {
            Assert.Contains("another program", Assert.Throws<RunDirectoryException>(() => RunSamples.Write(directory)).Message);
            yield return RunSamples.Edges;
        }
        RunDirectory.Write(directory["run"], new RunContents(RunSamples.Nodes, Meanwhile(), 0, new GraphRunRecord()), force: false);
        Assert.Equal(RunSamples.Edges.Length, RunDirectory.Read(directory["run"]).Edges.Length);
    }

    [Fact]
    public void A_path_taken_meanwhile_is_not_replaced()
    {
        using var directory = new AwkwardDirectory();
        IEnumerable<ReadOnlyMemory<CausalEdge>> Meanwhile()
        {
            File.WriteAllText(directory["run"], "somebody else's");
            yield break;
        }
        Assert.Throws<RunDirectoryException>(() =>
            RunDirectory.Write(directory["run"], new RunContents([], Meanwhile(), 0, new GraphRunRecord()), force: false));
        Assert.Equal([directory["run"]], Directory.EnumerateFileSystemEntries(directory.Path));
        Assert.Equal("somebody else's", File.ReadAllText(directory["run"]));
    }

    [Fact]
    public void A_link_in_a_runs_place_stays_and_leads_to_the_new_run()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory, "real"), link = directory["link"];
        Directory.CreateSymbolicLink(link, run);
        RunSamples.Write(directory, "link", new() { ["prompt"] = "another" }, force: true);
        Assert.Equal(run, new DirectoryInfo(link).LinkTarget);
        Assert.Equal("another", (string?)RunDirectory.Read(run).Facts["prompt"]);
        Assert.Equal(["link", "real"], Directory.EnumerateFileSystemEntries(directory.Path).Select(Path.GetFileName).Order());
    }
}
