using OnnxAttribution.Dashboards;

namespace OnnxAttribution.Tests.Dashboards;

public class ActivationHistogramTests
{
    [Theory]
    [InlineData(1f, 0), InlineData(1.0001f, 1), InlineData(2f, 1), InlineData(0.5f, -1), InlineData(0.75f, 0), InlineData(7f, 3),
        InlineData(1e-40f, -132)]
    public void The_range_is_the_least_power_of_two_that_holds_the_activation(float activation, int exponent) =>
        Assert.Equal(exponent, ActivationHistogram.ExponentFor(activation));

    [Fact]
    public void Counts_do_not_depend_on_the_order_of_activations()
    {
        var random = new Random(1);
        var values = Enumerable.Range(0, 2000).Select(_ => (float)Math.Exp((random.NextDouble() * 12) - 8)).ToArray();
        var width = ActivationHistogram.WidthFor(values.Max());
        long[] expected = [.. Enumerable.Range(0, 32).Select(i => values.LongCount(v => v > i * width && v <= (i + 1) * width))];
        Array.Resize(ref expected, Array.FindLastIndex(expected, n => n > 0) + 1);
        foreach (var order in (IEnumerable<float>[])[values, values.Order(), values.OrderDescending()])
        {
            var bins = new long[ActivationHistogram.Bins];
            int? exponent = null;
            foreach (var v in order)
            {
                var needed = ActivationHistogram.ExponentFor(v);
                if (exponent is { } e && needed > e) ActivationHistogram.Widen(bins, needed - e);
                exponent = Math.Max(exponent ?? needed, needed);
                bins[ActivationHistogram.BinOf(v, exponent.Value)]++;
            }
            Assert.Equal(expected, ActivationHistogram.Filled(bins));
            Assert.InRange(ActivationHistogram.Filled(bins).Length, 17, 32);
        }
    }
}
