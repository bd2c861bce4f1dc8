using MathNet.Numerics.Distributions;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public class SubsetIntervalTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(4), InlineData(6)]
    public void The_fewest_subsets_are_those_that_probably_do_not_all_but_one_lie_inside(int k)
    {
        var (rows, density) = (SubsetInterval.LeastRows(k), SubsetInterval.Density(k));
        Assert.Equal(Math.Pow(2, -k), density);
        Assert.True(Binomial.CDF(density / 2, rows, 1) <= 0.05);
        Assert.True(Binomial.CDF(density / 2, rows - 1, 1) > 0.05);
        double[] values = [.. Enumerable.Range(0, rows).Select(i => (double)i)];
        Assert.Equal(rows - 1, SubsetInterval.Length(values, density));
        Assert.Equal(double.PositiveInfinity, SubsetInterval.Length(values[1..], density));
    }

    [Fact]
    public void Sizes_go_down_as_far_as_the_subsets_suffice()
    {
        int[] least = [.. Enumerable.Range(1, 5).Select(SubsetInterval.LeastRows)];
        Assert.Equal([18], SubsetInterval.Plan(1000, 18));
        Assert.Equal([least[0], least[1], least[2], 300 - least[..3].Sum()], SubsetInterval.Plan(1000, 300));
        Assert.Equal([.. least[..4], 600 - least[..4].Sum()], SubsetInterval.Plan(1000, 600));
        Assert.Equal([least[0], 600 - least[0]], SubsetInterval.Plan(4, 600));   // none where a subset would be empty as a rule
        Assert.Equal([600], SubsetInterval.Plan(1, 600));
    }

    // the interval's share of all subsets, which for uniform values is its length
    [Theory, InlineData(18, 1), InlineData(120, 1), InlineData(170, 4), InlineData(1000, 4)]
    public void The_interval_holds_enough_of_all_subsets_in_95_of_100_draws(int rows, int k)
    {
        var (random, draws, held) = (new Random(rows), 4000, 0);
        for (var i = 0; i < draws; i++)
        {
            var length = SubsetInterval.Length(Enumerable.Range(0, rows).Select(_ => random.NextDouble()), SubsetInterval.Density(k));
            if (length > 1 - (SubsetInterval.Density(k) / 2)) held++;
        }
        // 3.5 deviations of a count that 95 % are expected of; never far above, or the interval would be longer than it need be
        Assert.InRange((double)held / draws, 0.95 - (3.5 * Math.Sqrt(0.05 * 0.95 / draws)), 0.995);
    }

    /// <summary>Set functions of 40 nodes with effects of many sizes. 0: they add up. 1: every pair interacts, either way.
    /// 2: saturating, tanh of the sum.</summary>
    [Theory, InlineData(0), InlineData(1), InlineData(2)]
    public void No_node_does_more_than_the_length_in_half_of_its_contexts(int kind)
    {
        var (random, functions, held) = (new Random(kind), 400, 0);
        for (var f = 0; f < functions; f++)
        {
            var function = new SetFunction(kind, random);
            var length = SubsetInterval.Length(Enumerable.Range(0, 160).Select(_ => function.Of(function.Draw(0.125))), 0.125);
            if (function.LargestMedian(0.125) <= length) held++;
        }
        Assert.InRange((double)held / functions, 0.95, 1);
    }

    private sealed class SetFunction
    {
        private const int Nodes = 40, Contexts = 400;

        private readonly Random _random;
        private readonly int _kind;
        private readonly double[] _effects, _pairs;

        public SetFunction(int kind, Random random)
        {
            (_kind, _random) = (kind, random);
            double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            _effects = [.. Enumerable.Range(0, Nodes).Select(i => Normal() * Math.Exp(Normal()))];
            _pairs = [.. Enumerable.Range(0, Nodes * Nodes).Select(_ => Normal())];
        }

        public bool[] Draw(double density) => [.. Enumerable.Range(0, Nodes).Select(_ => _random.NextDouble() < density)];

        public double Of(bool[] set)
        {
            var sum = 0.0;
            for (var i = 0; i < Nodes; i++)
            {
                if (!set[i]) continue;
                sum += _effects[i];
                for (var j = 0; _kind == 1 && j < i; j++) sum += set[j] ? _pairs[(i * Nodes) + j] : 0;
            }
            return _kind == 2 ? Math.Tanh(sum) : sum;
        }

        // over nodes, of the median over contexts of what a node does there
        public double LargestMedian(double density) => Enumerable.Range(0, Nodes).Max(i => Enumerable.Range(0, Contexts).Select(_ =>
        {
            var set = Draw(density);
            set[i] = false;
            var without = Of(set);
            set[i] = true;
            return Math.Abs(Of(set) - without);
        }).Order().ElementAt(Contexts / 2));
    }
}
