using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public class FurtherTablesTests
{
    [Fact]
    public void A_run_may_be_written_with_further_tables()
    {
        using var directory = new AwkwardDirectory();
        var run = Write(directory, "run", "tokens", "curve");
        TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, "tokens"));
        Assert.True(RunDirectory.HasTable(run, "curve"));
        Assert.False(RunDirectory.HasTable(run, "validation"));
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        Write(directory, "run", force: true);
        Assert.False(RunDirectory.HasTable(run, "tokens"));
    }

    [Fact]
    public void A_run_with_a_table_of_another_name_is_not_written()
    {
        using var directory = new AwkwardDirectory();
        Assert.Throws<ArgumentException>(() => Write(directory, "run", "tokens", "notes"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Theory]
    [InlineData("validation", "onnx-attribution validate RUN"), InlineData("faithfulness", "onnx-attribution ablate --faithfulness RUN"),
        InlineData("tokens", "onnx-attribution ablate --out RUN")]
    public void A_table_that_no_run_has_is_answered_with_what_makes_it(string table, string command)
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var missing = Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadTable(run, table));
        Assert.Equal(command, StepCommand.Of(missing.Next!));
        Assert.Equal($"{Path.Combine(run, table + ".parquet")} does not exist. To make it, {missing.Next!.Words} ('{command}').",
            FailureLine.Of(missing, "view"));
        foreach (var sql in new[] { $"FROM {table}", $"SELECT count(*) FROM nodes JOIN {table.ToUpperInvariant()} USING (run)",
            $"DESCRIBE {table}" })
        {
            Assert.Equal($"No run here has a table {table}. To make it, {missing.Next.Words} ('{command}').",
                FailureLine.Of(Assert.Throws<QueryException>(() => RunSamples.Ask(run, sql)), "query"));
        }
        Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadTable(directory["no run"], table));
    }

    [Fact]
    public void A_view_is_over_the_runs_that_have_the_table_whatever_columns_it_has_there()
    {
        using var directory = new AwkwardDirectory();
        foreach (var name in new[] { "a", "b", "c" }) RunSamples.Write(directory, $"all/{name}");
        RunDirectory.Annotate(directory["all/a"], "validation", TableSamples.Odd(), new RunAddition());
        var other = new StoredTable(new StoredColumn("integer", StoredType.BigInt), new StoredColumn("only here", StoredType.Varchar));
        other.Add(long.MaxValue, "c");
        RunDirectory.Annotate(directory["all/c"], "validation", other, new RunAddition());
        Assert.Equal(["a|5|3|0", "c|1|1|1"], RunSamples.Ask(directory["all"],
            "SELECT run, count(*), count(integer), count(\"only here\") FROM validation GROUP BY run ORDER BY run"));
        Assert.Equal(["a", "b", "c"], RunSamples.Ask(directory["all"], "SELECT DISTINCT run FROM nodes ORDER BY run"));
        Assert.Equal(["edges", "nodes", "runs", "validation"], RunSamples.Ask(directory["all"], "SHOW TABLES"));
    }

    [Fact]
    public void Every_further_table_can_be_asked()
    {
        using var directory = new AwkwardDirectory();
        var run = Write(directory, "run", "validation", "faithfulness", "tokens", "curve");
        foreach (var table in new[] { "validation", "faithfulness", "tokens", "curve" })
        {
            Assert.Equal(["run|5"], RunSamples.Ask(run, $"SELECT run, count(*) FROM {table} GROUP BY run"));
        }
    }

    [Fact]
    public void A_table_of_its_former_name_is_read_asked_and_replaced_as_today_s()
    {
        using var directory = new AwkwardDirectory();
        string run = Write(directory, "all/old", "tokens"), former = Path.Combine(run, "logits.parquet");
        File.Move(Path.Combine(run, "tokens.parquet"), former);
        Write(directory, "all/new", "tokens");
        foreach (var name in new[] { "tokens", "logits" })
        {
            Assert.True(RunDirectory.HasTable(run, name));
            TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, name));
            Assert.Equal(["new|5", "old|5"],
                RunSamples.Ask(directory["all"], $"SELECT run, count(*) FROM {name} GROUP BY run ORDER BY run"));
        }
        File.WriteAllBytes(former, []);
        Assert.StartsWith($"{former} is damaged: ",
            Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadTable(run, "tokens")).Message);
        Write(directory, "all/old", force: true);
        Assert.False(RunDirectory.HasTable(run, "tokens"));
    }

    [Fact]
    public void A_damaged_table_is_named_in_one_line_with_what_makes_it_again()
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = Path.Combine(run, "validation.parquet");
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition());
        byte[] bytes = File.ReadAllBytes(file), nonsense = [.. bytes];
        Array.Fill(nonsense, (byte)0xA5, 4, nonsense.Length - 8);
        foreach (var damaged in new[] { bytes[..(bytes.Length / 2)], nonsense, [] })
        {
            File.WriteAllBytes(file, damaged);
            foreach (Action refused in new Action[] { () => RunDirectory.ReadTable(run, "validation"),
                () => RunSamples.Ask(run, "FROM validation") })
            {
                var message = FailureLine.Of(Assert.Throws<RunDirectoryException>(refused), "query");
                Assert.StartsWith($"{file} is damaged: ", message);
                Assert.EndsWith("To make it again, validate the run ('onnx-attribution validate RUN').", message);
                Assert.DoesNotContain('\n', message);
            }
            Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        }
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition());
        TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, "validation"));
    }

    [Fact]
    public void Columns_that_are_asked_for_come_in_the_types_asked_for_or_the_file_is_named()
    {
        using var directory = new AwkwardDirectory();
        var run = Write(directory, "run", "tokens");
        var read = RunDirectory.ReadTable(run, "tokens", [new("double", StoredType.Float), new("integer", StoredType.BigInt)]);
        Assert.Equal([new("double", StoredType.Float), new("integer", StoredType.BigInt)], read.Columns);
        Assert.Equal(int.MinValue, read.Values<long?>("integer")[0]);
        foreach (StoredColumn wrong in new StoredColumn[] { new("nothing", StoredType.Float), new("text", StoredType.Float) })
        {
            Assert.StartsWith($"{Path.Combine(run, "tokens.parquet")} is damaged: ",
                Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadTable(run, "tokens", [wrong])).Message);
        }
    }

    [Fact]
    public void A_query_never_writes_over_a_table_of_a_run()
    {
        using var directory = new AwkwardDirectory();
        var run = Write(directory, "run", "validation");
        var query = new RunQuery([run]);
        foreach (var name in new[] { "validation.parquet", "tokens.parquet", "logits.parquet", "run.json" })
        {
            Assert.Throws<RunDirectoryException>(() => query.WriteParquet("FROM nodes", Path.Combine(run, name), WriteMode.Replace));
        }
        Assert.False(RunDirectory.HasTable(run, "tokens"));
    }

    [Fact]
    public void A_table_file_is_refused_where_one_is_unless_forced()
    {
        using var directory = new AwkwardDirectory();
        var file = directory["deep/er/curve.parquet"];
        RunDirectory.WriteTable(file, TableSamples.Odd(), force: false, [("seed", "7")]);
        var error = Assert.Throws<RunDirectoryException>(() => RunDirectory.WriteTable(file, TableSamples.Counting(3), force: false));
        Assert.Equal($"{file} exists already. Choose another file, or ask for it to be replaced.", error.Message);
        Assert.Equal([Setting.Force], error.Settings);
        Assert.Throws<RunDirectoryException>(() => RunDirectory.CheckRowsFree<CurveRow>(file, force: false));
        TableSamples.AssertSame(TableSamples.Odd(), StoredTable.Read(file));
        RunDirectory.WriteTable(file, TableSamples.Counting(3), force: true);
        Assert.Equal(3, StoredTable.Read(file).Count);
        Assert.Equal([file], Directory.EnumerateFileSystemEntries(directory["deep/er"]));
        Assert.StartsWith($"{directory["deep"]} is a directory, ",
            Assert.Throws<RunDirectoryException>(() =>
                RunDirectory.WriteTable(directory["deep"], TableSamples.Odd(), force: true)).Message);
        Assert.EndsWith("Name it " + directory["curve.parquet"] + ".",
            Assert.Throws<RunDirectoryException>(() => RunDirectory.CheckRowsFree<CurveRow>(directory["curve.csv"], force: true)).Message);
    }

    [Fact]
    public void A_cancelled_table_file_leaves_what_was_there()
    {
        using var directory = new AwkwardDirectory();
        RunDirectory.WriteTable(directory["curve.parquet"], TableSamples.Odd(), force: false);
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            RunDirectory.WriteTable(directory["curve.parquet"], TableSamples.Counting(10), force: true, cancel: cancel.Token));
        TableSamples.AssertSame(TableSamples.Odd(), StoredTable.Read(directory["curve.parquet"]));
        Assert.Single(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Two_writers_of_one_table_file_both_write_it_whole()
    {
        using var directory = new AwkwardDirectory();
        Parallel.For(0, 8, n => RunDirectory.WriteTable(directory["curve.parquet"], TableSamples.Counting(10_000 + n), force: true));
        Assert.InRange(StoredTable.Read(directory["curve.parquet"]).Count, 10_000, 10_007);
        Assert.Single(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    private static string Write(AwkwardDirectory directory, string name, params string[] tables) =>
        Write(directory, name, force: false, tables);

    private static string Write(AwkwardDirectory directory, string name, bool force, params string[] tables)
    {
        RunDirectory.Write(directory[name],
            new RunContents(RunSamples.Nodes, [RunSamples.Edges], RunSamples.MetricPosition, RunSamples.Facts.ToRecord())
            {
                Tables = tables.ToDictionary(table => table, _ => TableSamples.Odd())
            }, force);
        return directory[name];
    }
}
