using System.Text.Json.Nodes;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public class AnnotateTests
{
    [Fact]
    public void A_table_and_facts_are_added_to_a_finished_run_and_nothing_else_changes()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var nodes = File.ReadAllBytes(Path.Combine(run, "nodes.parquet"));
        JsonObject facts = new() { ["pearson"] = 0.99, ["calls"] = 75, ["tops"] = new JsonArray(1, 2), ["none"] = null };
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), facts.ToAddition());
        TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, "validation"));
        var expected = RunSamples.Facts;
        (expected["pearson"], expected["calls"], expected["tops"], expected["none"]) = (0.99, 75, new JsonArray(1, 2), null);
        RunDirectory.Read(run).AssertFacts(expected);
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json", "validation.parquet"], NamesIn(run));
        Assert.Equal(nodes, File.ReadAllBytes(Path.Combine(run, "nodes.parquet")));
        Assert.Equal(4, facts.Count);   // still the caller's
    }

    [Fact]
    public void A_table_that_is_there_is_replaced()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        RunDirectory.Annotate(run, "faithfulness", TableSamples.Counting(100), new JsonObject { ["faithful"] = 1 }.ToAddition());
        RunDirectory.Annotate(run, "faithfulness", TableSamples.Odd(), new JsonObject { ["faithful"] = 2 }.ToAddition());
        TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, "faithfulness"));
        Assert.Equal(2, (int?)RunDirectory.Read(run).Facts["faithful"]);
    }

    [Fact]
    public void The_scalars_of_the_new_run_json_are_in_the_tables_metadata()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = Path.Combine(run, "validation.parquet");
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new JsonObject { ["pearson"] = 0.5, ["calls"] = 75 }.ToAddition());
        using var database = DuckDbDatabase.OpenInMemory();
        using var result = database.Query(
            $"SELECT string_agg(decode(key) || '=' || decode(value), ' ' ORDER BY key) FROM parquet_kv_metadata({SqlText.Literal(file)}) "
            + "WHERE key <> encode('prompt')");
        Assert.Equal("calls=75 centred=true metric=logit-diff model=gpt2 pearson=0.5 threshold=0.5", result.Read() ? result.Text(0) : null);
    }

    [Fact]
    public void Cancelled_while_the_table_is_written_the_run_is_as_it_was()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new JsonObject { ["pearson"] = 0.5 }.ToAddition());
        var before = Contents(run);
        // a busy machine may tell of the file when the table is whole already: then the next one is larger
        for (var (rows, cancelled) = (750_000, false); !cancelled; rows *= 2)
        {
            var table = TableSamples.Counting(rows);
            using var cancel = new CancellationTokenSource();
            using var watcher = new FileSystemWatcher(run) { EnableRaisingEvents = true };
            watcher.Created += (_, created) =>
            {
                if (created.Name!.Contains("validation") && !created.Name.EndsWith(".lock")) cancel.Cancel();
            };
            var error = Record.Exception(() =>
                RunDirectory.Annotate(run, "validation", table, new JsonObject { ["pearson"] = 0.9 }.ToAddition(), cancel.Token));
            cancelled = error is OperationCanceledException;
            Assert.True(cancelled || (error is null && rows < 20_000_000), $"{rows} rows: {error?.Message ?? "nothing cancelled it"}");
            if (!cancelled) before = Contents(run);
        }
        Assert.Equal(before, Contents(run));
    }

    [Fact]
    public void Stopped_before_run_json_the_run_is_valid_and_the_call_can_be_repeated()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        // renamed; run.json not yet
        RunDirectory.WriteTable(directory["renamed.parquet"], TableSamples.Counting(7), force: false);
        File.Move(directory["renamed.parquet"], Path.Combine(run, "validation.parquet"));
        foreach (var left in new[] { ".validation.parquet.0123456789abcdef.lock", ".run.json.0123456789abcdef.tmp",
            ".run.json.0123456789abcdef.lock" })
        {
            File.WriteAllText(Path.Combine(run, left), "{ half");
        }
        Assert.Equal(["7"], RunSamples.Ask(run, "SELECT count(*) FROM validation"));
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new JsonObject { ["pearson"] = 0.5 }.ToAddition());
        Assert.Equal(0.5, (double?)RunDirectory.Read(run).Facts["pearson"]);
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json", "validation.parquet"], NamesIn(run));
    }

    [Fact]
    public void What_a_dead_writer_left_does_not_keep_force_from_replacing_the_run()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        foreach (var name in new[] { ".validation.parquet.0123456789abcdef.tmp", ".run.json.0123456789abcdef.lock", "validation.parquet",
            "faithfulness.parquet", "tokens.parquet", "curve.parquet" })
        {
            File.WriteAllText(Path.Combine(run, name), "left");
        }
        RunSamples.Write(directory, force: true);
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json"], NamesIn(run));
        File.WriteAllText(Path.Combine(run, ".thesis.tex.0123456789abcdef.tmp"), "");
        Assert.Throws<RunDirectoryException>(() => RunSamples.Write(directory, force: true));
    }

    [Fact]
    public async Task Writers_of_one_run_take_turns_and_no_fact_is_lost()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        string[] tables = ["validation", "faithfulness", "tokens", "curve"];
        await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(() =>
            RunDirectory.Annotate(run, tables[n % 4], TableSamples.Counting(1000 + n), new JsonObject { [$"fact{n}"] = n }.ToAddition()))));
        var facts = RunDirectory.Read(run).Facts;
        Assert.All(Enumerable.Range(0, 16), n => Assert.Equal(n, (int?)facts[$"fact{n}"]));
        Assert.All(tables, table => Assert.InRange(RunDirectory.ReadTable(run, table).Count, 1000, 1015));
        Assert.Equal(7, NamesIn(run).Count);
    }

    [Fact]
    public void A_writer_that_waits_in_vain_says_so()
    {
        using var directory = new AwkwardDirectory();
        var file = directory["t.parquet"];
        using var first = new OutputFile(file, why => why);
        var error = Assert.Throws<TimeoutException>(() => new OutputFile(file, why => why, patience: TimeSpan.FromMilliseconds(50)));
        Assert.Contains("another program", error.Message);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => new OutputFile(file, why => why, cancelled.Token, Patience.Limit));
    }

    [Fact]
    public void What_is_no_finished_run_is_refused_and_left_alone()
    {
        using var directory = new AwkwardDirectory();
        File.WriteAllText(directory["file"], "");
        Directory.CreateDirectory(directory["empty"]);
        File.Delete(Path.Combine(RunSamples.Write(directory, "half"), "edges.parquet"));
        File.WriteAllText(Path.Combine(RunSamples.Write(directory, "torn"), "run.json"), "{");
        foreach (var name in new[] { "nothing", "file", "empty", "half", "torn" })
        {
            var error = Assert.Throws<RunDirectoryException>(() =>
                RunDirectory.Annotate(directory[name], "validation", TableSamples.Odd(), new RunAddition()));
            Assert.StartsWith(directory[name], error.Message);
            Assert.DoesNotContain('\n', error.Message);
        }
        Assert.False(Directory.Exists(directory["nothing"]));
        Assert.Empty(NamesIn(directory["empty"]));
        Assert.Equal(["nodes.parquet", "run.json"], NamesIn(directory["half"]));
    }

    [Fact]
    public void A_run_that_cannot_be_written_is_named_with_the_fix()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        Directory.CreateDirectory(Path.Combine(run, "validation.parquet"));   // in the way, also of root, whom permissions do not stop
        var error = Assert.Throws<RunDirectoryException>(() =>
            RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition()));
        Assert.StartsWith($"{run} cannot be added to: ", error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json", "validation.parquet"], NamesIn(run));
    }

    [Fact]
    public void A_run_in_which_no_file_can_be_made_is_refused_and_stays_as_it_was()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var before = Contents(run);
        using (FileSteps.Refusing(Path.Combine(run, "validation.parquet")))
        {
            Assert.StartsWith($"{run} cannot be added to: ",
                Assert.Throws<RunDirectoryException>(() =>
                    RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition())).Message);
        }

        Assert.Equal(before, Contents(run));
    }

    [Fact]
    public void A_table_that_no_run_holds_and_a_column_that_queries_add_are_refused()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var withRun = new StoredTable(new StoredColumn("Run", StoredType.Integer));
        Assert.Throws<ArgumentException>(() => RunDirectory.Annotate(run, "../escape", TableSamples.Odd(), new RunAddition()));
        Assert.Throws<ArgumentException>(() => RunDirectory.Annotate(run, "nodes", TableSamples.Odd(), new RunAddition()));
        Assert.Throws<ArgumentException>(() => RunDirectory.Annotate(run, "validation", withRun, new RunAddition()));
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json"], NamesIn(run));
    }

    private static List<string> NamesIn(string directory) =>
        [.. Directory.EnumerateFileSystemEntries(directory).Select(e => Path.GetFileName(e)!).Order(StringComparer.Ordinal)];

    private static List<string> Contents(string run) =>
        [.. NamesIn(run).Select(name => $"{name} {Convert.ToHexString(File.ReadAllBytes(Path.Combine(run, name)))}")];
}
