using OnnxAttribution.Cli.Reports;

namespace OnnxAttribution.Tests.Cli;

public class CurvePlotTests
{
    [Fact]
    public void A_known_curve_is_drawn_where_it_belongs()
    {
        // up to the middle 0, then a slope of 2; the line runs straight from 0 to 1
        var lines = CurvePlot.Draw([0, 0.5, 1], [0, 0, 1], [0, 0.5, 1], [0.5]);
        Assert.Equal(CurvePlot.Height + 3, lines.Count);
        Assert.Equal("1 ┤" + new string(' ', 57) + "·●●", lines[0]);
        Assert.StartsWith("0 ┤" + new string('●', 30), lines[14]);
        Assert.Equal("  └" + new string('─', 60), lines[15]);
        Assert.Equal(new string(' ', 3 + 30) + "^", lines[16]);
        Assert.Equal("   0" + new string(' ', 58) + "1", lines[17]);
        // half way the line is half way up, and the curve still at 0
        Assert.Equal('·', lines[7][3 + 29]);
        Assert.All(lines, l => Assert.True(l.Length <= 3 + CurvePlot.Width));
    }

    [Fact]
    public void A_jump_is_joined_and_a_constant_lies_at_its_value()
    {
        var jump = CurvePlot.Draw([0, 0.5, 0.501, 1], [0, 0, 1, 1], [0, 0, 0, 0], []);
        Assert.Equal(13, jump.Count(l => l.Contains('│')));
        var constant = CurvePlot.Draw([0, 1], [2.5, 2.5], [2.5, 2.5], []);
        Assert.Equal("2.5 ┤" + new string('●', 60), constant[0]);
        Assert.DoesNotContain(constant.Skip(1), l => l.Contains('●') || l.Contains("2.5"));
    }

    [Fact]
    public void One_point_is_one_column()
    {
        var lines = CurvePlot.Draw([0.5], [1], [3], [0.5]);
        Assert.Equal("3 ┤·", lines[0]);
        Assert.Equal("1 ┤●", lines[14]);
        Assert.Equal("   0.5", lines[^1]);
    }
}
