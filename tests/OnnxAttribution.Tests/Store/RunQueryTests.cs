using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public class RunQueryTests
{
    [Fact]
    public void Nodes_edges_and_runs_are_views_with_a_run_column()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        Assert.Equal(["run|7|1.5|NULL"],
            RunSamples.Ask(run, "SELECT run, feature, activation, nullif(kept, true) FROM nodes WHERE position = 0"));
        Assert.Equal(["metric|2|NULL|-3", "metric|2|NULL|1E-20"], RunSamples.Ask(run,
            "SELECT down_site, down_position, down_feature, effect FROM edges WHERE down_site = 'metric'"));
        Assert.Equal(["run|gpt2|74|0.5|true"], RunSamples.Ask(run, "SELECT run, model, calls, threshold, centred FROM runs"));
        Assert.Equal(["BIGINT|DOUBLE|BOOLEAN|VARCHAR"], RunSamples.Ask(run,
            "SELECT typeof(calls), typeof(threshold), typeof(centred), typeof(prompt) FROM runs"));
    }

    [Fact]
    public void Many_runs_are_one_table()
    {
        using var directory = new AwkwardDirectory();
        RunSamples.Write(directory, "all/a");
        RunSamples.Write(directory, "all/b", new() { ["calls"] = "3", ["new"] = "x", ["RUN"] = "ignored" });
        var alone = RunSamples.Write(directory, "alone");
        var twin = RunSamples.Write(directory, "other/alone");
        Directory.CreateDirectory(directory["all/notes"]);
        Directory.Move(RunSamples.Write(directory, "all/c"), directory["all/.c.0123456789abcdef.tmp"]);
        Assert.Equal(["a|4", "b|4"], RunSamples.Ask(directory["all"], "SELECT run, count(*) FROM nodes GROUP BY run ORDER BY run"));
        Assert.Equal(["a|74|NULL", "b|3|x"], RunSamples.Ask(directory["all"], "SELECT run, calls, \"new\" FROM runs ORDER BY run"));
        Assert.Equal(["a", "b", "alone"], new RunQuery([directory["all"], alone, alone]).Runs);
        Assert.Equal([alone, twin], new RunQuery([alone, twin]).Runs);
    }

    [Fact]
    public void A_path_without_runs_is_named()
    {
        using var directory = new AwkwardDirectory();
        Assert.StartsWith(directory.Path + " holds no run.",
            Assert.Throws<RunDirectoryException>(() => new RunQuery([directory.Path])).Message);
        Assert.StartsWith(directory["x"] + " does not exist.",
            Assert.Throws<RunDirectoryException>(() => new RunQuery([directory["x"]])).Message);
    }

    [Theory]
    [InlineData("SELECT * FROM read_csv('/etc/passwd')")]
    [InlineData("FROM '/etc/passwd'")]
    [InlineData("FROM glob('/etc/*')")]
    [InlineData("FROM read_text('/etc/hostname')")]
    [InlineData("FROM sniff_csv('/etc/passwd')")]
    [InlineData("FROM read_parquet('https://example.com/x.parquet')")]
    [InlineData("COPY nodes TO '{stolen}.csv'")]
    [InlineData("COPY (SELECT 1) TO '{run}/nodes.parquet'")]
    [InlineData("EXPLAIN ANALYZE COPY (SELECT 1) TO '{run}/nodes.parquet'")]
    [InlineData("EXPLAIN /* a /* b */ */ (ANALYZE) COPY (SELECT 1) TO '{run}/nodes.parquet'")]
    [InlineData("EXPORT DATABASE '{stolen}'")]
    [InlineData("INSTALL httpfs")]
    [InlineData("LOAD httpfs")]
    [InlineData("ATTACH '{stolen}.db'")]
    [InlineData("SET enable_external_access = true")]
    [InlineData("RESET allowed_paths")]
    [InlineData("DROP VIEW nodes")]
    [InlineData("DELETE FROM runs")]
    [InlineData("CREATE TABLE t AS SELECT 1")]
    [InlineData("CREATE PERSISTENT SECRET s (TYPE http); SELECT 1")]
    [InlineData("CALL enable_logging(storage = 'file', storage_config = {'path': '{stolen}'})")]
    [InlineData("FROM enable_logging(storage = 'file', storage_config = {'path': '{stolen}'})")]
    [InlineData("FROM facts()")]
    [InlineData("SELECT 1; SELECT 2")]
    [InlineData("SELECT ?")]
    [InlineData("SELECT 1) TO '{stolen}'; --")]
    [InlineData("")]
    [InlineData("-- nothing")]
    [InlineData("SELECT nonsense FROM nodes")]
    [InlineData("SELEKT 1")]
    [InlineData("SELECT error('boom')")]
    [InlineData("SELECT 'x'::INTEGER")]
    public void A_query_that_fails_or_does_more_than_read_is_refused_in_one_line(string sql)
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        sql = sql.Replace("{run}", run.Replace("'", "''")).Replace("{stolen}", Path.Combine(Path.GetTempPath(), "onnx-attribution-stolen"));
        var before = File.ReadAllBytes(Path.Combine(run, "nodes.parquet"));
        Assert.DoesNotContain('\n', Assert.Throws<QueryException>(() => RunSamples.Ask(run, sql)).Message);
        var query = new RunQuery([run]);
        Assert.Throws<QueryException>(() => query.WriteParquet(sql, directory["out.parquet"]));
        Assert.Equal([run], Directory.EnumerateFileSystemEntries(directory.Path));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(run, "nodes.parquet")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetTempPath(), "onnx-attribution-stolen*"));
    }

    [Theory]
    [InlineData("WITH n AS (FROM nodes) SELECT count(*) FROM n", 1)]
    [InlineData("DESCRIBE edges", 13)]
    [InlineData("SUMMARIZE nodes", 19)]
    [InlineData("SHOW TABLES", 3)]
    [InlineData("EXPLAIN SELECT 1", 1)]
    [InlineData("EXPLAIN ANALYZE FROM nodes", 1)]
    [InlineData("PIVOT nodes ON kind USING sum(effect) GROUP BY layer", 2)]
    [InlineData("VALUES (1), (2)", 2)]
    [InlineData("SELECT 1; -- with a comment", 1)]
    public void Everything_that_only_reads_is_let_through(string sql, int rows)
    {
        using var directory = new AwkwardDirectory();
        Assert.Equal(rows, RunSamples.Ask(RunSamples.Write(directory), sql).Length);
    }

    [Fact]
    public void Csv_is_quoted_as_RFC_4180_says()
    {
        using var directory = new AwkwardDirectory();
        var csv = Written(directory, "SELECT token, gradient, kept FROM nodes WHERE layer = 0 ORDER BY position", (r, s) => r.WriteCsv(s));
        Assert.Equal("token,gradient,kept\r\n\"it's \"\"odd\"\"\n\r\t,;\",-0.25,true\r\n\"\",,true\r\n😀\0é\uFFFD,0.33333334,true\r\n",
            csv);
    }

    [Fact]
    public void Json_has_numbers_as_numbers_and_null_for_what_is_none()
    {
        using var directory = new AwkwardDirectory();
        var json = Written(directory, """
            SELECT token, gradient, kept, 'nan'::FLOAT AS nan, 1 AS a, 2 AS a, [1, 2] AS list, {'x': 'é"'} AS struct,
                DATE '2020-02-29' AS day, -0.5::DECIMAL(4, 2) AS price, 170141183460469231731687303715884105727 AS huge
            FROM nodes WHERE layer = 0 ORDER BY position
            """, (r, s) => r.WriteJson(s));
        var rows = JsonNode.Parse(json)!.AsArray();
        Assert.Equal(3, rows.Count);
        Assert.Equal(RunSamples.Nodes[2].Token, (string?)rows[2]!["token"]);
        Assert.Null(rows[1]!["gradient"]);
        Assert.Null(rows[0]!["nan"]);
        Assert.EndsWith("\"gradient\":-0.25,\"kept\":true,\"nan\":null,\"a\":1,\"a_1\":2,\"list\":[1,2],\"struct\":{\"x\":\"é\\\"\"},"
            + "\"day\":\"2020-02-29\",\"price\":-0.50,\"huge\":170141183460469231731687303715884105727},",
            json.Split("\n")[1]);
        Assert.Equal("[]\n", Written(directory, "FROM nodes WHERE false", (r, s) => r.WriteJson(s), "again"));
    }

    [Fact]
    public void A_table_has_one_line_per_row_and_numbers_to_the_right()
    {
        using var directory = new AwkwardDirectory();
        var table = Written(directory,
            "SELECT position, token, gradient FROM nodes WHERE layer = 0 AND position < 2 ORDER BY position", (r, s) =>
            {
                using var writer = new StringWriter { NewLine = "\n" };
                r.WriteTable(writer);
                s.Write(Encoding.UTF8.GetBytes(writer.ToString()));
            });
        Assert.Equal("""
            position  token               gradient
            --------  ------------------  --------
                   0  it's "odd"\n\r\t,;     -0.25
                   1                          NULL

            """, table);
    }

    [Fact]
    public void A_result_goes_to_Parquet_whole_or_not_at_all()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var query = new RunQuery([run]);
        query.WriteParquet("SELECT *, [position] AS list FROM nodes", directory["out.parquet"]);
        using var database = DuckDbDatabase.OpenInMemory();
        using (var result = database.Query($"SELECT count(*) FROM read_parquet({SqlText.Literal(directory["out.parquet"])})"))
        {
            Assert.Equal("4", result.Read() ? result.Text(0) : null);
        }
        var before = File.ReadAllBytes(directory["out.parquet"]);
        Assert.Throws<QueryException>(() => query.WriteParquet("SELECT error('boom')", directory["out.parquet"], WriteMode.Replace));
        Assert.Throws<RunDirectoryException>(() => query.WriteParquet("FROM nodes", directory["out.parquet"]));
        Assert.Equal(before, File.ReadAllBytes(directory["out.parquet"]));
        Assert.Equal(2, Directory.EnumerateFileSystemEntries(directory.Path).Count());
    }

    [Fact]
    public Task A_query_without_end_stops_when_cancelled() => Patience.Of(() =>
    {
        using var directory = new AwkwardDirectory();
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        var query = new RunQuery([RunSamples.Write(directory)]);
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            using var result = query.Execute("SELECT sum(sin(a.range + b.range)) FROM range(10000000) a, range(10000000) b", cancel.Token);
            result.Rows(cancel.Token).Count();
        });
    }, "the query");

    [Fact]
    public void A_query_leaves_nothing_in_the_temporary_directory()
    {
        using var directory = new AwkwardDirectory();
        RunSamples.Ask(RunSamples.Write(directory), "FROM nodes ORDER BY effect");
        Assert.False(Directory.Exists(".tmp"));
    }

    private static string Written(AwkwardDirectory directory, string sql, Action<QueryResult, Stream> write, string name = "run")
    {
        using var stream = new MemoryStream();
        using (var result = new RunQuery([RunSamples.Write(directory, name)]).Execute(sql)) write(result, stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
