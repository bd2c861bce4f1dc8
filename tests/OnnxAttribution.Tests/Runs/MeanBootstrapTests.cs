using OnnxAttribution.Runs;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Runs;

public class MeanBootstrapTests
{
    private static readonly BootstrapRecord s_asked = new(Resamples: 1000, Seed: 0, Level: 0.95);

    // the oracle goes over every way in which five can be drawn from five
    [Theory, InlineData(0.05), InlineData(0.3)]
    public void An_interval_has_the_quantiles_of_the_means_of_all_draws(double outside)
    {
        double[] values = [0.3, -1.2, 4, 0, 0.9];
        var means = new double[3125];
        for (var draw = 0; draw < means.Length; draw++)
        {
            for (int i = 0, digits = draw; i < 5; i++, digits /= 5) means[draw] += values[digits % 5] / 5;
        }
        Array.Sort(means);
        var asked = s_asked with { Resamples = 100_000, Level = 1 - outside };
        // of what is 0 nothing is said
        var (low, high) = new MeanBootstrap(5, asked).Interval([0, 1, 2, 4], [0.3, -1.2, 4, 0.9]);
        // a quantile of 100,000 draws lies between those of shares that are three standard deviations apart
        var slack = 3 * Math.Sqrt(outside / 2 * (1 - (outside / 2)) / 100_000);
        Assert.InRange(low, At(means, (outside / 2) - slack) - 1e-6, At(means, (outside / 2) + slack) + 1e-6);
        Assert.InRange(high, At(means, 1 - (outside / 2) - slack) - 1e-6, At(means, 1 - (outside / 2) + slack) + 1e-6);
    }

    [Fact]
    public void The_same_seed_draws_the_same_and_another_does_not()
    {
        static (float, float) Of(int seed) => new MeanBootstrap(20, s_asked with { Seed = seed })
            .Interval([.. Enumerable.Range(0, 20)], [.. Enumerable.Range(0, 20).Select(i => Math.Sin(i))]);
        Assert.Equal(Of(0), Of(0));
        Assert.NotEqual(Of(0), Of(1));
    }

    // most of them at all: an interval of 95 % holds the true mean 19 times of 20
    [Fact]
    public void Intervals_hold_the_mean_that_prompts_are_drawn_from()
    {
        var (random, held) = (new Random(0), 0);
        for (var trial = 0; trial < 400; trial++)
        {
            double[] values = [.. Enumerable.Range(0, 60).Select(_ => -Math.Log(1 - random.NextDouble()))];   // of mean 1
            var (low, high) = new MeanBootstrap(60, s_asked with { Resamples = 300, Seed = trial })
                .Interval([.. Enumerable.Range(0, 60)], values);
            held += low <= 1 && 1 <= high ? 1 : 0;
        }
        Assert.InRange(held / 400.0, 0.90, 0.98);
    }

    [Fact]
    public void Nothing_is_said_of_one_prompt_and_what_no_prompt_has_is_0()
    {
        Assert.Equal((float.NaN, float.NaN), new MeanBootstrap(1, s_asked).Interval([0], [3]));
        Assert.Equal((0f, 0f), new MeanBootstrap(3, s_asked).Interval([], []));
    }

    [Theory, InlineData(2, 1000), InlineData(100_000, 1000), InlineData(1_000_000, 268), InlineData(10_000_000, 100)]
    public void As_many_draws_as_memory_holds(int prompts, int draws) => Assert.Equal(draws, MeanBootstrap.For(prompts).Resamples);

    private static double At(double[] sorted, double share) => sorted[(int)Math.Clamp(share * (sorted.Length - 1), 0, sorted.Length - 1)];
}
