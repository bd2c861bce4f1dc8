using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public class StoredTableTests
{
    [Fact]
    public void Every_type_and_its_NULL_come_back_as_they_went()
    {
        using var directory = new AwkwardDirectory();
        RunDirectory.WriteTable(directory["t.parquet"], TableSamples.Odd(), force: false);
        var read = StoredTable.Read(directory["t.parquet"]);
        TableSamples.AssertSame(TableSamples.Odd(), read);
        Assert.Equal([null, null], read.Values<string?>("text").Skip(2).Take(2));
        Assert.Equal(0.1f, read.Values<double>("double")[4]);
        Assert.True(float.IsNegative(read.Values<float>("float")[4]));
    }

    [Fact]
    public void NaN_is_NULL_in_the_file_and_infinity_is_not()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        RunDirectory.Annotate(run, "validation", TableSamples.Odd(), new RunAddition());
        Assert.Equal(["5|3|3|3|3|3|3"], RunSamples.Ask(run,
            "SELECT count(*), count(text), count(integer), count(long), count(\"float\"), count(\"double\"), "
            + "count(claim) FROM validation"));
        Assert.Equal(["run|-inf|inf"], RunSamples.Ask(run, "SELECT run, \"float\", \"double\" FROM validation WHERE NOT claim"));
    }

    [Fact]
    public void Columns_have_the_types_they_were_given()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        RunDirectory.Annotate(run, "tokens", new StoredTable(TableSamples.Columns), new RunAddition());
        Assert.Equal(["run VARCHAR, text VARCHAR, integer INTEGER, long BIGINT, float FLOAT, double DOUBLE, claim BOOLEAN"],
            RunSamples.Ask(run, "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE logits)"));
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2048), InlineData(2049), InlineData(200_000)]
    public void Any_number_of_rows_keeps_its_order(int rows)
    {
        using var directory = new AwkwardDirectory();
        var table = TableSamples.Counting(rows);
        RunDirectory.WriteTable(directory["t.parquet"], table, force: false);
        TableSamples.AssertSame(table, StoredTable.Read(directory["t.parquet"]));
    }

    [Fact]
    public void Unpaired_surrogates_become_the_replacement_character()
    {
        using var directory = new AwkwardDirectory();
        var table = new StoredTable(new StoredColumn("text", StoredType.Varchar));
        table.Add("a\uD800b");
        table.Add("\uDC00");
        RunDirectory.WriteTable(directory["t.parquet"], table, force: false);
        Assert.Equal(["a\uFFFDb", "\uFFFD"], StoredTable.Read(directory["t.parquet"]).Values<string?>("text"));
    }

    [Theory, InlineData("sp ace"), InlineData("qu\"ote'); DROP TABLE x; --"), InlineData("select"), InlineData("😀é"),
        InlineData("new\nline"), InlineData("*")]
    public void Columns_may_be_called_anything(string name)
    {
        using var directory = new AwkwardDirectory();
        var table = new StoredTable(new StoredColumn(name, StoredType.Integer), new StoredColumn("other", StoredType.Varchar));
        table.Add(7, name);
        RunDirectory.WriteTable(directory["t.parquet"], table, force: false);
        TableSamples.AssertSame(table, StoredTable.Read(directory["t.parquet"]));
    }

    [Fact]
    public void A_row_that_does_not_fit_is_refused_whole()
    {
        var table = new StoredTable(TableSamples.Columns);
        Assert.Contains("6 values and not 1", Assert.Throws<ArgumentException>(() => table.Add("alone")).Message);
        Assert.Contains("'integer' is INTEGER and takes no BIGINT",
            Assert.Throws<ArgumentException>(() => table.Add("a", 1L, 1L, 1f, 1.0, true)).Message);
        Assert.Contains("'float' is FLOAT and takes no DOUBLE",
            Assert.Throws<ArgumentException>(() => table.Add("a", 1, 1L, 1.0, 1.0, true)).Message);
        Assert.Contains("'claim' is BOOLEAN and takes no VARCHAR",
            Assert.Throws<ArgumentException>(() => table.Add("a", 1, 1L, 1f, 1.0, "true")).Message);
        Assert.Equal(0, table.Count);
        Assert.All(TableSamples.Columns[..1], column => Assert.Empty(table.Values<string?>(column.Name)));
    }

    [Fact]
    public void Columns_without_a_name_of_their_own_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new StoredTable());
        Assert.Throws<ArgumentException>(() => new StoredTable(new StoredColumn("", StoredType.Float)));
        Assert.Throws<ArgumentException>(() =>
            new StoredTable(new StoredColumn("x", StoredType.Float), new StoredColumn("X", StoredType.Float)));
    }

    [Fact]
    public void A_column_asked_for_by_a_wrong_name_or_type_is_named()
    {
        var table = TableSamples.Odd();
        Assert.Contains("'nothing'", Assert.Throws<ArgumentException>(() => table.Values<float>("nothing")).Message);
        Assert.Contains("'integer' is INTEGER", Assert.Throws<ArgumentException>(() => table.Values<int>("integer")).Message);
        Assert.Equal(5, table.Values<int?>("INTEGER").Count);
    }

    [Fact]
    public void Types_that_a_table_lacks_are_read_as_the_nearest_it_has()
    {
        using var directory = new AwkwardDirectory();
        new RunQuery([RunSamples.Write(directory)]).WriteParquet(
            "SELECT 1::TINYINT AS small, 3000000000::UINTEGER AS big, 0.25::DECIMAL(4, 2) AS price, DATE '2020-02-29' AS day, "
                + "1.5::FLOAT AS f", directory["t.parquet"]);
        var table = StoredTable.Read(directory["t.parquet"]);
        Assert.Equal(1, table.Values<int?>("small")[0]);
        Assert.Equal(3_000_000_000, table.Values<long?>("big")[0]);
        Assert.Equal("0.25", table.Values<string?>("price")[0]);
        Assert.Equal("2020-02-29", table.Values<string?>("day")[0]);
        Assert.Equal(1.5f, table.Values<float>("f")[0]);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_named_in_one_line()
    {
        using var directory = new AwkwardDirectory();
        Assert.StartsWith($"{directory["t.parquet"]} does not exist.",
            Assert.Throws<RunDirectoryException>(() => StoredTable.Read(directory["t.parquet"])).Message);
        RunDirectory.WriteTable(directory["t.parquet"], TableSamples.Counting(5000), force: false);
        var bytes = File.ReadAllBytes(directory["t.parquet"]);
        Array.Fill(bytes, (byte)0xA5, 4, bytes.Length - 8);
        foreach (var damaged in new[] { bytes, bytes[..40], [] })
        {
            File.WriteAllBytes(directory["t.parquet"], damaged);
            var error = Assert.Throws<RunDirectoryException>(() => StoredTable.Read(directory["t.parquet"]));
            Assert.StartsWith($"{directory["t.parquet"]} is damaged: ", error.Message);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void A_directory_called_like_a_partition_adds_no_column()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory, "top=5/layer=1/run");
        RunDirectory.Annotate(run, "tokens", TableSamples.Odd(), new RunAddition());
        Assert.Equal(RunSamples.Nodes, RunDirectory.Read(run).Nodes);
        TableSamples.AssertSame(TableSamples.Odd(), RunDirectory.ReadTable(run, "tokens"));
        Assert.Equal(["0"], RunSamples.Ask(run, "SELECT count(*) FROM (DESCRIBE nodes) WHERE column_name = 'top'"));
    }
}
