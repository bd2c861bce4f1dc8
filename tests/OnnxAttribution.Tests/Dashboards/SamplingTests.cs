using OnnxAttribution.Dashboards;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Tests.Dashboards;

public class SamplingTests
{
    [Fact]
    public void Every_item_of_a_stream_is_as_likely_to_be_sampled_and_streams_do_not_matter_to_each_other()
    {
        const int streams = 4000, size = 5, items = 50;
        var sampling = new ReservoirSampling(streams, size, 1);
        var alone = new ReservoirSampling(1, size, 1);
        var kept = new int[streams, size];
        var first = new int[size];
        for (var i = 1; i <= items; i++)
        {
            for (var s = 0; s < streams; s++)
            {
                if (sampling.Takes(s, i)) kept[s, sampling.Place(s, i)] = i;
            }
            if (alone.Takes(0, i)) first[alone.Place(0, i)] = i;
        }
        Assert.Equal(first, Enumerable.Range(0, size).Select(p => kept[0, p]));
        var counts = new int[items + 1];
        foreach (var item in kept) counts[item]++;
        Assert.Equal(0, counts[0]);
        // each of 50 items is expected 400 times of 4,000, with a standard deviation of 19
        Assert.All(counts[1..], n => Assert.InRange(n, 400 - 95, 400 + 95));
    }

    [Fact]
    public void With_thresholds_the_active_features_are_those_above_their_own()
    {
        const int n = 101;
        var random = new Random(3);
        var values = Enumerable.Range(0, 20 * n)
            .Select(_ => MathF.Round((random.NextSingle() - 0.3f) * 8) / 8)
            .ToArray();    // many lie on a threshold
        var threshold = Enumerable.Range(0, n).Select(_ => MathF.Round(random.NextSingle() * 4) / 8).ToArray();
        var found = new SparseRows();
        new ActiveFinder().Add(values, new ActiveRule(n, null, threshold), found);
        for (var r = 0; r < 20; r++)
        {
            var expected = Enumerable.Range(0, n).Where(j => values[(r * n) + j] > threshold[j]).Select(j => (j, values[(r * n) + j]));
            Assert.Equal(expected, found.Features(r).ToArray().Zip(found.Activations(r).ToArray()));
        }
    }

    [Theory]
    [InlineData(null, 100), InlineData(7, 100), InlineData(32, 1024), InlineData(3, 5)]
    public void The_active_features_are_the_largest_above_zero_and_the_lower_of_two_equal(int? k, int n)
    {
        var random = new Random(2);
        var values = Enumerable.Range(0, 200 * n)
            .Select(i => MathF.Round((random.NextSingle() - 0.7f + (i / n % 3 * 0.1f)) * 40) / 8)
            .ToArray();    // many are equal
        var found = new SparseRows();
        new ActiveFinder().Add(values, new ActiveRule(n, k), found);
        Assert.Equal(200, found.Rows);
        for (var r = 0; r < 200; r++)
        {
            var row = values.AsSpan(r * n, n).ToArray();
            var expected = row.Index().Where(e => e.Item > 0).OrderByDescending(e => e.Item).ThenBy(e => e.Index).Take(k ?? n)
                .OrderBy(e => e.Index).ToList();
            var actual = found.Features(r).ToArray().Zip(found.Activations(r).ToArray());
            Assert.Equal(expected.Select(e => (e.Index, e.Item)), actual);
            Assert.Equal(expected.Count == 0 ? 0 : expected[0].Item, expected.Count == 0 ? 0 : found.At(r, expected[0].Index));
        }
    }
}
