using OnnxAttribution.Curves;

namespace OnnxAttribution.Tests.Curves;

public class StraightLineTests
{
    [Fact]
    public void R_squared_is_1_for_a_line_and_known_for_a_corner()
    {
        Assert.Equal(1, StraightLine.RSquared([0, 1, 3], [5, 4, 2]), 1e-12);
        // y = |x| on -1, 0, 1: no slope, nothing explained
        Assert.Equal(0, StraightLine.RSquared([-1, 0, 1], [1, 0, 1]), 1e-12);
        // y = max(x, 0) on -1, 0, 1: slope 1/2, residuals 1/6, -1/3, 1/6, so 1 - (1/6) / (2/3)
        Assert.Equal(0.75, StraightLine.RSquared([-1, 0, 1], [0, 0, 1]), 1e-12);
    }

    [Fact]
    public void A_constant_or_a_single_point_has_none()
    {
        Assert.Equal(double.NaN, StraightLine.RSquared([0, 1, 2], [0, 0, 0]));
        Assert.Equal(double.NaN, StraightLine.RSquared([0, 1, 2], [3, 3 + 1e-7, 3]));
        Assert.Equal(double.NaN, StraightLine.RSquared([1], [3]));
    }
}
