using OnnxAttribution.Dashboards;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Quantiles that are read off a histogram.</summary>
public sealed class FeatureJsonTests
{
    [Theory, InlineData(1, 1), InlineData(7, 3), InlineData(40_000, 2), InlineData(900, 0.01)]
    public void A_quantile_is_the_true_one_within_a_bin(int count, double scale)
    {
        var random = new Random(count);
        float[] activations = [.. Enumerable.Range(0, count).Select(_ => (float)(scale * -Math.Log(1 - random.NextDouble())) + 1e-6f)];
        Array.Sort(activations);
        var (most, width) = (activations[^1], ActivationHistogram.WidthFor(activations[^1]));
        var bins = new long[ActivationHistogram.Bins];
        foreach (var a in activations) bins[ActivationHistogram.BinOf(a, ActivationHistogram.ExponentFor(most))]++;
        var quantiles = FeatureJson.Quantiles(ActivationHistogram.Filled(bins), width, most);
        Assert.Equal(100, quantiles.Length);
        Assert.Equal(quantiles.Order(), quantiles);
        for (var p = 1; p <= 100; p++)
        {
            var true1 = activations[Math.Max(0, (int)Math.Ceiling(count * (p / 100.0)) - 1)];
            Assert.InRange(quantiles[p - 1], true1 - width, true1 + width);
        }
        Assert.InRange(quantiles[99], most - width, most);
    }

    [Fact]
    public void Within_a_bin_a_quantile_lies_by_the_bins_share()
    {
        // 40 in (0, 1], none in (1, 2], 60 in (2, 3]; the largest is 2.5
        var quantiles = FeatureJson.Quantiles([40, 0, 60], 1, 2.5f);
        Assert.Equal((0.5f, 1, 2.5f), (quantiles[19], quantiles[39], quantiles[69]));
        Assert.Equal(2 + (1 / 60f), quantiles[40], 1e-6f);
        Assert.Equal(2.5f, quantiles[99]);
    }
}
