using System.Text.Json;
using OnnxAttribution.Clusters;

namespace OnnxAttribution.Tests.Clusters;

/// <summary>Clusters against scipy and scikit-learn (<c>tests/references/goldens_clusters.py</c>).</summary>
public sealed class ClusterGoldenTests
{
    // the vectors are float32 here, float64 there
    private const double Tolerance = 2e-6;

    public static TheoryData<string> Cases => ["parted", "blurred"];

    [Theory, MemberData(nameof(Cases))]
    public void Joins_are_those_of_average_linkage(string name)
    {
        using var golden = Golden(name);
        var joins = Linkage.Joins(Rows(golden), threads: 2, TestContext.Current.CancellationToken);
        var merges = golden.RootElement.GetProperty("merges").EnumerateArray().ToList();
        Assert.Equal(merges.Count, joins.Count);
        foreach (var (merge, join) in merges.Zip(joins))
        {
            Assert.Equal((merge[0].GetInt32(), merge[1].GetInt32(), merge[3].GetInt32()), (join.One, join.Other, join.Size));
            Assert.Equal(merge[2].GetDouble(), join.Distance, Tolerance);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Cuts_silhouettes_objectives_and_rand_indices_are_the_references(string name)
    {
        using var golden = Golden(name);
        var rows = Rows(golden);
        var joins = Linkage.Joins(rows, threads: 1, TestContext.Current.CancellationToken);
        var truth = Integers(golden.RootElement.GetProperty("truth"));
        foreach (var cut in golden.RootElement.GetProperty("cuts").EnumerateArray())
        {
            var clusters = cut.GetProperty("clusters").GetInt32();
            var labels = Linkage.Cut(joins, clusters);
            Assert.Equal(1, AdjustedRand.Index(labels, Integers(cut.GetProperty("labels"))));
            Assert.Equal(clusters, labels.Distinct().Count());
            Assert.Equal(cut.GetProperty("rand").GetDouble(), AdjustedRand.Index(labels, truth), 1e-12);
            var silhouettes = cut.GetProperty("silhouettes").EnumerateArray().Select(s => s.GetDouble()).ToList();
            foreach (var vectors in Ways(rows))
            {
                var sums = vectors.Sums(labels, clusters, threads: 2);
                Assert.Equal(cut.GetProperty("objective").GetDouble(), sums.Lengths().Sum(), 1e-4);
                var ours = Silhouettes.Of(sums, labels, threads: 2).Silhouette;
                Assert.All(silhouettes.Zip(ours), pair => Assert.Equal(pair.First, pair.Second, 2e-5));
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void K_means_is_as_good_as_the_best_of_the_references(string name)
    {
        using var golden = Golden(name);
        var options = new KMeansOptions(Restarts: 20, Seed: 0, Threads: 2, TestContext.Current.CancellationToken);
        foreach (var case_ in golden.RootElement.GetProperty("kmeans").EnumerateArray())
        {
            var clusters = case_.GetProperty("clusters").GetInt32();
            var found = Ways(Rows(golden)).ConvertAll(vectors => new SphericalKMeans(vectors, options).Find(clusters));
            var best = Math.Max(case_.GetProperty("objective").GetDouble(), case_.GetProperty("sklearn").GetDouble());
            Assert.All(found, f => Assert.InRange(f.Objective, best - 1e-4, double.PositiveInfinity));
            Assert.All(found, f => Assert.Equal(clusters, f.Labels.Distinct().Count()));
            // equally good restarts number their clusters each in its own way
            Assert.Equal(1, AdjustedRand.Index(found[0].Labels, found[1].Labels));
        }
    }

    [Theory, InlineData(0), InlineData(1)]
    public void The_number_of_clusters_is_that_of_the_largest_silhouette(int method)
    {
        using var golden = Golden("parted");
        var options = new KMeansOptions(Restarts: 10, Seed: 0, Threads: 2, TestContext.Current.CancellationToken);
        var found = ClusterFinder.Find(Rows(golden), (2, 8), (ClusterMethod)method, options);
        Assert.Equal(5, found.Count);
        Assert.Equal(1, AdjustedRand.Index(found.Labels, Integers(golden.RootElement.GetProperty("truth"))));
        Assert.Equal(found.Tried.MaxBy(t => t.Silhouette).Clusters, found.Count);
        var sizes = found.Labels.CountBy(l => l).OrderBy(c => c.Key).Select(c => c.Value).ToList();
        Assert.Equal(sizes.OrderDescending(), sizes);
    }

    [Fact]
    public void Threads_change_nothing_and_a_seed_repeats_itself()
    {
        using var golden = Golden("blurred");
        (int[] Labels, double Objective) Find(int seed, int threads) => new SphericalKMeans(new PlainVectors(Rows(golden)),
            new KMeansOptions(Restarts: 1, seed, threads, TestContext.Current.CancellationToken)).Find(6);
        Assert.Equal(Find(3, 1).Labels, Find(3, 4).Labels);
        Assert.Equal(Find(3, 1).Objective, Find(3, 4).Objective);
        Assert.Contains(Enumerable.Range(4, 8), seed => !Find(seed, 1).Labels.SequenceEqual(Find(3, 1).Labels));
    }

    // as they are, and by their products
    private static List<IComparedVectors> Ways(UnitVectors rows) => [new PlainVectors(rows), new VectorProducts(rows, new())];

    internal static UnitVectors Rows(JsonDocument golden)
    {
        var rows = new UnitVectors();
        foreach (var row in golden.RootElement.GetProperty("rows").EnumerateArray())
        {
            rows.Add([.. Integers(row.GetProperty("columns"))],
                [.. row.GetProperty("values").EnumerateArray().Select(v => v.GetSingle())]);
        }
        return rows;
    }

    internal static JsonDocument Golden(string name) => JsonDocument.Parse(
        File.ReadAllText(Path.Combine(Attribution.GoldenCase.Root, "clusters", $"{name}.json")));

    private static List<int> Integers(JsonElement list) => [.. list.EnumerateArray().Select(v => v.GetInt32())];
}
