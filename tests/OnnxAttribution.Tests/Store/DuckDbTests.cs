using System.Text;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

public class DuckDbTests
{
    [Fact]
    public void A_row_producer_that_fails_ends_the_statement_with_its_own_exception()
    {
        using var database = DuckDbDatabase.OpenInMemory();
        using var source = new DuckDbSource(database, "rows", "NULL::INTEGER AS x", _ => throw new InvalidDataException("mine"));
        Assert.Equal("mine",
            Assert.Throws<InvalidDataException>(() => source.Execute(database, "CREATE TABLE t AS FROM rows()", default)).Message);
    }

    [Fact]
    public void A_source_that_is_gone_is_an_error_and_not_a_crash()
    {
        using var database = DuckDbDatabase.OpenInMemory();
        new DuckDbSource(database, "rows", "NULL::INTEGER AS x", _ => 0).Dispose();
        GC.Collect();
        Assert.Throws<DuckDbException>(() => database.Execute("FROM rows()"));
    }

    [Fact]
    public void Rows_keep_their_order_over_many_chunks()
    {
        using var database = DuckDbDatabase.OpenInMemory();
        var next = 0;
        using var source = new DuckDbSource(database, "rows", "NULL::INTEGER AS x, NULL::VARCHAR AS t", vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, 100_000 - next);
            for (var row = 0; row < rows; row++, next++)
            {
                vectors.Column<int>(0)[row] = next;
                if (next % 3 == 0) vectors.SetNull(1, row);
                else vectors.SetText(1, row, new string('é', next % 40));
            }
            return rows;
        });
        source.Execute(database, "CREATE TABLE t AS FROM rows()", default);
        using var result = database.Query("FROM t");
        var read = 0;
        for (; result.Read(); read++)
        {
            Assert.Equal(read, result.Value<int>(0));
            Assert.Equal(read % 3 == 0 ? null : new string('é', read % 40), result.Text(1));
        }
        Assert.Equal(100_000, read);
    }

    [Theory]
    [InlineData("0.1::FLOAT", "0.1")]
    [InlineData("'-inf'::DOUBLE", "-inf")]
    [InlineData("(-128)::TINYINT", "-128")]
    [InlineData("18446744073709551615::UBIGINT", "18446744073709551615")]
    [InlineData("(-170141183460469231731687303715884105728)::HUGEINT", "-170141183460469231731687303715884105728")]
    [InlineData("340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455")]
    [InlineData("-0.05::DECIMAL(4, 2)", "-0.05")]
    [InlineData("12345678901234567890123456789012345.678::DECIMAL(38, 3)", "12345678901234567890123456789012345.678")]
    [InlineData("-(99999999999999999999999999999999999999::DECIMAL(38, 0))", "-99999999999999999999999999999999999999")]
    [InlineData("'b'::ENUM ('a', 'b')", "b")]
    [InlineData("'exactly 12 b'", "exactly 12 b")]
    [InlineData("'thirteen byte'", "thirteen byte")]
    [InlineData("NULL", null)]
    public void Values_print_as_DuckDB_means_them(string sql, string? text)
    {
        using var database = DuckDbDatabase.OpenInMemory();
        using var result = database.Query($"SELECT {sql}");
        Assert.True(result.Read());
        Assert.Equal(text, result.Text(0));
    }

    [Fact]
    public void Literals_and_names_cannot_be_broken_out_of()
    {
        using var database = DuckDbDatabase.OpenInMemory();
        const string odd = "'; DROP \"x\" --\n😀\0";
        using var result = database.Query($"SELECT {SqlText.Literal(odd)} AS {SqlText.Name(odd)}");
        Assert.True(result.Read());
        Assert.Equal(odd.Replace('\0', '\u2400'), result.Text(0));
        Assert.Equal(Encoding.UTF8.GetBytes(odd.Replace('\0', '\u2400')), Encoding.UTF8.GetBytes(result.Columns[0].Name));
    }
}
