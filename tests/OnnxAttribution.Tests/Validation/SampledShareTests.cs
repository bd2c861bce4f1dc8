using MathNet.Numerics.Distributions;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public class SampledShareTests
{
    [Theory]
    [InlineData(30, 10, 0)]
    [InlineData(30, 10, 4)]
    [InlineData(100, 7, 6)]
    [InlineData(500, 60, 59)]
    [InlineData(500, 400, 3)]
    public void It_is_the_largest_number_that_so_small_a_sample_leaves_possible(int population, int sample, int having)
    {
        double AtMost(int members) => new Hypergeometric(population, members, sample).CumulativeDistribution(having);
        var largest = Enumerable.Range(having, population - sample + 1).Last(m => AtMost(m) > 0.05);
        Assert.Equal(largest, SampledShare.UpperBound(population, sample, having));
        Assert.InRange(SampledShare.UpperBound(population, sample, having, 0.025), largest, population);
    }

    [Theory, InlineData(300, 0), InlineData(300, 5), InlineData(300, 299), InlineData(3000, 2500)]
    public void In_a_large_population_it_is_the_bound_of_Clopper_and_Pearson(int sample, int having)
    {
        const long population = 1_000_000_000_000;
        var bound = Beta.InvCDF(having + 1, sample - having, 0.95);
        Assert.Equal(bound, (double)SampledShare.UpperBound(population, sample, having) / population, 1e-5);
    }

    [Theory, InlineData(0), InlineData(3), InlineData(20)]
    public void A_sample_of_everything_is_the_share_itself(int having) =>
        Assert.Equal(having, SampledShare.UpperBound(20, 20, having));

    [Fact]
    public void A_sample_of_nothing_says_nothing() => Assert.Equal(20, SampledShare.UpperBound(20, 0, 0));

    // exact: every possible sample counted with its probability
    [Theory, InlineData(40, 12), InlineData(200, 30)]
    public void It_holds_in_at_least_95_of_100_samples_whatever_the_population(int population, int sample)
    {
        for (var members = 0; members <= population; members++)
        {
            var draws = new Hypergeometric(population, members, sample);
            var least = Math.Max(0, sample - (population - members));
            var held = Enumerable.Range(least, Math.Min(sample, members) - least + 1)
                .Where(x => members <= SampledShare.UpperBound(population, sample, x)).Sum(draws.Probability);
            Assert.InRange(held, 0.95 - 1e-9, 1 + 1e-9);
        }
    }
}
