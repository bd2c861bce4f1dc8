using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Model;

public sealed class BatchRowsTests
{
    [Theory]
    [InlineData(1L << 30, 1L << 20, 1000, 1024)]        // the most that pays
    [InlineData(1L << 30, 1L << 24, 1000, 64)]          // what memory holds
    [InlineData(1L << 20, 1L << 24, 1000, 2)]           // at least row 0 and another
    [InlineData(1L << 50, 1L << 20, 1024 * 1600, 327)]  // GPT-2 XL's residual stream at 1,024 tokens
    [InlineData(1L << 50, 1L << 20, 25 * 1024 * 1024, 20)]  // its attention patterns
    public void Rows_fit_the_budget_and_no_tensor_passes_two_gibibytes(long budget, long perRow, long largest, int rows)
    {
        Assert.Equal(rows, BatchRows.Of(budget, perRow, largest, least: 2));
        Assert.True(4 * largest * rows <= int.MaxValue);
    }

    [Fact]
    public void Nothing_overflows_at_the_ends_of_the_range() => Assert.Equal(1024, BatchRows.Of(long.MaxValue, 0, 0, least: 1));
}
