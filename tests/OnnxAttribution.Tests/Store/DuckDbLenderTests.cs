using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public sealed class DuckDbLenderTests : IDisposable
{
    // of no other test
    private static readonly (string, string)[] s_settings = [("memory_limit", "123MB"), ("threads", "1")];

    private readonly TemporaryDirectory _directory = new();

    private string Spill => _directory["spill"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Who_borrows_one_again_finds_nothing_of_before()
    {
        nint native;
        using (var database = DuckDbLender.Lend(Spill, s_settings))
        {
            native = database.Native.DangerousGetHandle();
            database.Execute("CREATE TABLE t AS SELECT 1 AS x; CREATE VIEW v AS FROM t; CREATE TYPE site AS ENUM ('a')");
            SiteType.Create(database, ["one", "two"]);
            Assert.Equal("1", First(database, "SELECT x::VARCHAR FROM v"));
        }
        using var again = DuckDbLender.Lend(_directory["elsewhere"], s_settings);
        Assert.Equal(native, again.Native.DangerousGetHandle());
        Assert.Equal("0", First(again, "SELECT count(*)::VARCHAR FROM duckdb_tables()"));
        foreach (var sql in (string[])["FROM t", "FROM v", "SELECT 'a'::site"]) Assert.Throws<DuckDbException>(() => again.Execute(sql));
        Assert.Equal(_directory["elsewhere"], First(again, "SELECT current_setting('temp_directory')"));
        Assert.Equal("123.0 MB", First(again, "SELECT current_setting('memory_limit')").Replace("117.3 MiB", "123.0 MB"));
        SiteType.Create(again, ["two"]);
        Assert.Equal("0", First(again, "SELECT enum_code('two'::site)::VARCHAR"));
    }

    [Fact]
    public void No_two_have_the_same_at_once_and_giving_back_twice_is_once()
    {
        var one = DuckDbLender.Lend(Spill, s_settings);
        one.Dispose();
        one.Dispose();
        using var two = DuckDbLender.Lend(Spill, s_settings);
        using var three = DuckDbLender.Lend(Spill, s_settings);
        Assert.NotEqual(two.Native.DangerousGetHandle(), three.Native.DangerousGetHandle());
        two.Execute("CREATE TABLE t (x INTEGER)");
        three.Execute("CREATE TABLE t (y INTEGER)");
    }

    [Fact]
    public void One_that_has_spilled_is_closed_and_its_directory_is_gone()
    {
        using (var database = DuckDbLender.Lend(Spill, ("memory_limit", "40MB"), ("threads", "1")))
        {
            database.Execute("CREATE TABLE t AS SELECT hash(i) AS x, hash(i + 1) AS y FROM range(5000000) r(i)");
            Assert.NotEmpty(Directory.EnumerateFiles(Spill));
        }
        Assert.False(Directory.Exists(Spill));
    }

    [Fact]
    public void After_an_error_and_an_interrupted_statement_it_serves_the_next()
    {
        using (var database = DuckDbLender.Lend(Spill, s_settings))
        {
            Assert.Throws<DuckDbException>(() => database.Execute("FROM nothing"));
            using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            Assert.Throws<OperationCanceledException>(() =>
                database.Execute("SELECT count(*) FROM range(100000000000) a(i) WHERE i % 3 = 5", cancel.Token));
        }
        using var next = DuckDbLender.Lend(Spill, s_settings);
        Assert.Equal("7", First(next, "SELECT '7'"));
    }

    [Fact]
    public void A_file_that_is_written_anew_is_read_anew()
    {
        var file = _directory["t.parquet"];
        for (var value = 0; value < 3; value++)
        {
            using (var writer = DuckDbLender.Lend(Spill, s_settings))
            {
                writer.Execute($"COPY (SELECT {value} AS x) TO {SqlText.Literal(file)} (FORMAT parquet)");
            }
            using var reader = DuckDbLender.Lend(Spill, s_settings);
            Assert.Equal($"{value}", First(reader, $"SELECT x::VARCHAR FROM {ParquetFile.Sql(file)}"));
        }
    }

    private static string First(DuckDbDatabase database, string sql)
    {
        using var rows = database.Query(sql);
        Assert.True(rows.Read());
        return rows.Value<string>(0);
    }
}
