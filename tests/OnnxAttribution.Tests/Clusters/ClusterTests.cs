using OnnxAttribution.Clusters;

namespace OnnxAttribution.Tests.Clusters;

/// <summary>Clusters at the ends of what may be asked.</summary>
public sealed class ClusterTests
{
    private static readonly KMeansOptions s_options = new(Restarts: 3, Seed: 0, Threads: 2, CancellationToken.None);

    [Fact]
    public void Rand_indices_of_parts_by_hand()
    {
        Assert.Equal(1, AdjustedRand.Index([0, 0, 1, 1], ["a", "a", "b", "b"]));
        Assert.Equal(1, AdjustedRand.Index([3, 3, 3], ["a", "a", "a"]));
        Assert.Equal(0, AdjustedRand.Index([0, 0, 0, 0], [0, 0, 1, 1]));
        Assert.Equal(-0.5, AdjustedRand.Index([0, 0, 1, 1], [0, 1, 0, 1]), 1e-12);
        Assert.Equal(1, AdjustedRand.Index<int, int>([], []));
    }

    [Theory, InlineData(1), InlineData(3), InlineData(4), InlineData(5)]
    public void Equal_vectors_and_as_many_clusters_as_vectors_end(int clusters)
    {
        var rows = new UnitVectors();
        for (var i = 0; i < 5; i++) rows.Add([i % 2, 2], [1, 1]);
        foreach (var method in Enum.GetValues<ClusterMethod>())
        {
            var found = ClusterFinder.Find(rows, (clusters, clusters), method, s_options);
            Assert.Equal(5, found.Labels.Length);
            Assert.All(found.Labels, l => Assert.InRange(l, 0, clusters - 1));
            Assert.All(found.Silhouette, s => Assert.InRange(s, -1, 1));
        }
    }

    [Theory, InlineData(1), InlineData(3)]
    public void Very_many_vectors_are_begun_on_a_sample_and_all_of_them_come_to_their_clusters(int threads)
    {
        const int count = 12_000, kinds = 5;
        var (rows, random) = (new UnitVectors(), new Random(1));
        // a column of its kind, and some noise among 50 others
        for (var i = 0; i < count; i++) rows.Add([i % kinds, kinds + random.Next(50)], [1, 0.5f * random.NextSingle()]);
        var found = ClusterFinder.Find(rows, (2, 8), ClusterMethod.KMeans, s_options with { Threads = threads });
        Assert.Equal((kinds, 4000, 7), (found.Count, found.Sample, found.Tried.Count));
        Assert.Equal(1, AdjustedRand.Index(found.Labels, (IReadOnlyList<int>)[.. Enumerable.Range(0, count).Select(i => i % kinds)]));
        Assert.Equal(count, found.Silhouette.Length);
        Assert.Null(ClusterFinder.Find(rows.Only([.. Enumerable.Range(0, 100)]), (5, 5), ClusterMethod.KMeans, s_options).Sample);
    }

    [Theory, InlineData(1), InlineData(3)]
    public void Products_of_every_two_vectors_stand_for_the_vectors(int threads)
    {
        const int count = 203, clusters = 6;   // no whole number of a processor's vectors
        var rows = Drawn(count);
        var products = new VectorProducts(rows, new() { MaxDegreeOfParallelism = threads });
        var dense = new float[rows.Width];
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < count; j++)
            {
                Assert.Equal(rows.Cosine(i, j, dense), products.Of(i)[j], 1e-6);
                Assert.Equal(products.Of(i)[j], products.Of(j)[i]);
            }
        }
        var random = new Random(2);
        int[] from = [.. Enumerable.Range(0, count).Select(i => (i % (clusters + 1)) - 1)];
        IClusterSums[] sums = [new PlainVectors(rows).Sums(from, clusters, threads), products.Sums(from, clusters, threads)];
        AssertSame(sums, count);
        for (var move = 0; move < 1000; move++)
        {
            var row = random.Next(count);
            var to = random.Next(clusters);
            if (from[row] < 0 || to == from[row]) continue;
            foreach (var some in sums) some.Move(row, from[row], to);
            from[row] = to;
        }
        AssertSame(sums, count);
        int[] next = [.. from.Select(label => label < 0 ? -1 : random.Next(clusters))];
        AssertSame([sums[0].Relabelled(from, next), sums[1].Relabelled(from, next)], count);
    }

    [Fact]
    public void Without_memory_for_products_the_same_clusters_are_found()
    {
        var rows = Drawn(300);
        Clustering Of(long bytes) => ClusterFinder.Find(rows, (2, 5), ClusterMethod.KMeans, s_options with { MemoryBytes = bytes });
        var (with, without) = (Of(1 << 20), Of(1000));
        Assert.Equal(with.Labels, without.Labels);
        Assert.Equal(with.Objective, without.Objective, 1e-3);
        Assert.All(with.Silhouette.Zip(without.Silhouette), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    private static UnitVectors Drawn(int count)
    {
        var (rows, random) = (new UnitVectors(), new Random(1));
        for (var i = 0; i < count; i++)
        {
            int[] columns = [.. Enumerable.Range(0, 8).Select(_ => (int)(400 * Math.Pow(random.NextDouble(), 3))).Append(i % 5).Distinct()];
            rows.Add(columns, [.. columns.Select(_ => random.NextSingle() - 0.3f)]);
        }
        return rows;
    }

    private static void AssertSame(IClusterSums[] sums, int count)
    {
        Assert.Equal(sums[0].Counts, sums[1].Counts);
        Assert.All(sums[0].Lengths().Zip(sums[1].Lengths()), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        var (one, other) = (new float[sums[0].Counts.Length], new float[sums[0].Counts.Length]);
        for (var row = 0; row < count; row++)
        {
            sums[0].Products(row, one);
            sums[1].Products(row, other);
            Assert.All(one.Zip(other), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
        }
    }

    [Fact]
    public void Vectors_are_compared_by_direction_alone()
    {
        var rows = new UnitVectors();
        for (var i = 1; i <= 6; i++) rows.Add([i % 2, 2], [i * 100, i]);
        var found = ClusterFinder.Find(rows, (2, 4), ClusterMethod.KMeans, s_options);
        Assert.Equal(2, found.Count);
        Assert.Equal([0, 1, 0, 1, 0, 1], found.Labels);
        Assert.All(found.Silhouette, s => Assert.Equal(1, s, 1e-5));
        Assert.All(found.Similarity, s => Assert.Equal(1, s, 1e-6));
    }

    [Fact]
    public void A_vector_without_a_length_is_no_vector()
    {
        Assert.Throws<ArgumentException>(() => new UnitVectors().Add([0], [0]));
        Assert.Throws<ArgumentException>(() => new UnitVectors().Add([0], [float.NaN]));
    }

    [Fact]
    public void Average_linkage_says_its_limit()
    {
        var rows = new UnitVectors();
        for (var i = 0; i <= Linkage.Most; i++) rows.Add([i % 7], [1]);
        var message = Assert.Throws<ClusterException>(() => Linkage.Joins(rows, 1, CancellationToken.None)).Message;
        Assert.Equal("average linkage compares every two prompts, and takes 10,000 at most, not 10,001; take the method kmeans", message);
    }

    [Fact]
    public void Complete_linkage_joins_by_the_largest_distance_of_two()
    {
        var random = new Random(7);
        for (var sample = 0; sample < 20; sample++)
        {
            var rows = new UnitVectors();
            for (var i = 0; i < 24; i++) rows.Add([.. Enumerable.Range(0, 5).Select(_ => random.NextSingle() - 0.3f)]);
            var joins = Linkage.CompleteJoins(rows, threads: 2, CancellationToken.None);
            Assert.Equal(Naive(rows), joins.Select(j => j.Distance), (a, b) => Math.Abs(a - b) < 1e-9);
            // cut anywhere, no two of a cluster are farther apart than the last join
            var dense = new float[rows.Width];
            for (var made = 1; made < joins.Count; made += 5)
            {
                var labels = Linkage.Cut(joins, rows.Count - made);
                foreach (var (i, j) in Pairs(rows.Count).Where(p => labels[p.One] == labels[p.Other]))
                {
                    Assert.True(1 - rows.Cosine(i, j, dense) <= joins[made - 1].Distance + 1e-9);
                }
            }
        }
    }

    // the two nearest clusters by all their pairs, again and again
    private static List<double> Naive(UnitVectors rows)
    {
        var (dense, clusters, result) = (new float[rows.Width], Enumerable.Range(0, rows.Count).Select(i => (List<int>)[i]).ToList(),
            new List<double>());
        while (clusters.Count > 1)
        {
            var (one, other, distance) = Pairs(clusters.Count).Select(p => (p.One, p.Other, clusters[p.One].SelectMany(i =>
                clusters[p.Other].Select(j => 1 - rows.Cosine(i, j, dense))).Max())).MinBy(p => p.Item3);
            clusters[one].AddRange(clusters[other]);
            clusters.RemoveAt(other);
            result.Add(distance);
        }
        return [.. result.Order()];
    }

    private static IEnumerable<(int One, int Other)> Pairs(int count) =>
        Enumerable.Range(0, count).SelectMany(i => Enumerable.Range(i + 1, count - i - 1).Select(j => (i, j)));

    [Fact]
    public void Cancelled_it_ends()
    {
        var rows = new UnitVectors();
        for (var i = 0; i < 50; i++) rows.Add([i % 7, 7 + i], [1, 1]);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        foreach (var method in Enum.GetValues<ClusterMethod>())
        {
            Assert.ThrowsAny<OperationCanceledException>(() =>
                ClusterFinder.Find(rows, (2, 4), method, s_options with { Cancel = cancelled.Token }));
        }
    }
}
