using OnnxAttribution.View.Figures;

namespace OnnxAttribution.Tests.View.Figures;

public sealed class AxisTests
{
    [Theory]
    [InlineData(0, 1), InlineData(-0.4, 2), InlineData(3, 3), InlineData(0, 0), InlineData(-1e-7, 2e-7), InlineData(1e9, 1.5e9),
        InlineData(-5, -2)]
    public void A_linear_axis_holds_its_values_between_few_round_ticks(double low, double high)
    {
        var axis = Axis.Linear("", [low, high, double.NaN]);
        Assert.InRange(axis.Ticks.Count, 2, 9);
        Assert.True(axis.Ticks[0].Value <= low + 1e-12 && axis.Ticks[^1].Value >= high - 1e-12);
        Assert.Equal(axis.Ticks.Count, axis.Ticks.Select(t => t.Text).Distinct().Count());
        Assert.Equal((0, 1), (axis.Share(axis.Ticks[0].Value), axis.Share(axis.Ticks[^1].Value)));
    }

    [Theory, InlineData(4.5), InlineData(1), InlineData(3e-5), InlineData(900), InlineData(0)]
    public void A_symmetric_axis_is_as_long_to_both_sides_and_monotone(double most)
    {
        var axis = Axis.Symmetric("", [most, -most / 3]);
        Assert.Equal(0.5, axis.Share(0), 1e-9);
        double[] values = [-most, -most / 10, -most / 1000, 0, most / 1000, most / 10, most];
        double[] shares = [.. values.Select(axis.Share)];
        Assert.Equal(most == 0 ? shares : shares.Distinct().Order(), shares);
        Assert.Equal(axis.Ticks.Count, axis.Ticks.Select(t => t.Text).Distinct().Count());
        Assert.All(axis.Ticks, t => Assert.InRange(axis.Share(t.Value), 0.001, 0.999));
    }

    [Theory, InlineData(1), InlineData(7), InlineData(657), InlineData(1_000_000)]
    public void An_axis_of_counts_begins_at_nothing_and_has_room_for_its_ticks(int most)
    {
        var axis = Axis.Counts("", [0, most]);
        Assert.Equal((0, "0"), axis.Ticks[0]);
        Assert.InRange(axis.Ticks.Count, 2, 11);
        Assert.All(axis.Ticks, t =>
            Assert.Equal(t.Value.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture).Replace("1,000,000", "1E6"), t.Text));
        Assert.InRange(axis.Share(most), 0.8, 1);
    }

    [Fact]
    public void Without_values_an_axis_goes_from_0_to_1() =>
        Assert.Equal((0.0, 1.0), (Axis.Linear("", []).Ticks[0].Value, Axis.Linear("", []).Ticks[^1].Value));
}
