namespace OnnxAttribution.Clusters;

/// <summary>How clusters are found.</summary>
internal enum ClusterMethod
{
    /// <summary><see cref="SphericalKMeans"/>.</summary>
    KMeans,

    /// <summary><see cref="Linkage"/>.</summary>
    Average,
}

/// <summary>Vectors in clusters, the largest cluster first.</summary>
/// <param name="Labels">Each vector's cluster, from 0.</param>
/// <param name="Silhouette">Each vector's; 0 of all where there is one cluster.</param>
/// <param name="Similarity">Each vector's cosine with the sum of its cluster's.</param>
/// <param name="Nearest">The nearest other cluster of each; −1 where there is one cluster.</param>
/// <param name="Count">How many clusters there are.</param>
internal sealed record Clustering(int[] Labels, double[] Silhouette, double[] Similarity, int[] Nearest, int Count)
{
    /// <summary>Σ x·c, with each c the direction of its cluster's sum.</summary>
    public double Objective { get; init; }

    /// <summary>The mean silhouette for each number of clusters that was tried; of the sample's vectors, where there is one.</summary>
    public IReadOnlyList<(int Clusters, double Silhouette)> Tried { get; init; } = [];

    /// <summary>Of how many vectors k-means began anew and the number of clusters was chosen; null: of all.</summary>
    public int? Sample { get; init; }
}

/// <summary>Finds clusters of vectors: for every number of clusters that may be, and the number with the largest mean silhouette is taken.
/// </summary>
/// <remarks>Of more than <see cref="MostWhole"/> vectors k-means tries numbers and beginnings on a sample, and goes on with all vectors
/// from the best of it: the rest only makes sums of the same directions better.</remarks>
internal static class ClusterFinder
{
    /// <summary>Up to so many vectors everything is tried on all.</summary>
    public const int MostWhole = VectorProducts.Most;

    // at least so many in all, and for each cluster
    private const int LeastSample = 4000, LeastEach = 20;

    // of more, the last few would move for very long
    private const double Unsettled = 1e-3;

    /// <param name="range">The least number of clusters, from 1, and the largest, no more than there are vectors.</param>
    /// <param name="progress">Told of each number.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Clustering Find(UnitVectors rows, (int Least, int Most) range, ClusterMethod method, KMeansOptions options,
        IProgress<string>? progress = null)
    {
        var joins = method == ClusterMethod.Average ? Linkage.Joins(rows, options.Threads, options.Cancel) : null;
        if (joins is not null || rows.Count <= MostWhole) return Best(rows, range, joins, options, progress);
        var sample = Sample(rows.Count, Math.Min(rows.Count, Math.Max(LeastSample, LeastEach * range.Most)), options.Seed);
        options = options with { Unsettled = Unsettled };
        var best = Best(rows.Only(sample), range, null, options, progress);
        progress?.Report($"{best.Count} clusters of {rows.Count:N0} prompts");
        var some = new int[rows.Count];
        Array.Fill(some, -1);
        for (var i = 0; i < sample.Length; i++) some[sample[i]] = best.Labels[i];
        var all = new PlainVectors(rows);
        var labels = new SphericalKMeans(all, options).From(some, best.Count).Labels;
        progress?.Report($"measuring {best.Count} clusters of {rows.Count:N0} prompts");
        return Measured(all, BySize(labels, best.Count), best.Count, options.Threads) with { Tried = best.Tried, Sample = sample.Length };
    }

    private static Clustering Best(UnitVectors vectors, (int Least, int Most) range, IReadOnlyList<ClusterJoin>? joins,
        KMeansOptions options, IProgress<string>? progress)
    {
        var rows = joins is null ? Compared(vectors, options, progress) : new PlainVectors(vectors);
        var (best, tried, largest) = ((Clustering?)null, new List<(int, double)>(), double.NegativeInfinity);
        for (var clusters = range.Least; clusters <= range.Most; clusters++)
        {
            progress?.Report($"{clusters} clusters of at most {range.Most}");
            options.Cancel.ThrowIfCancellationRequested();
            var labels = joins is not null ? Linkage.Cut(joins, clusters) : new SphericalKMeans(rows, options).Find(clusters).Labels;
            var found = Measured(rows, BySize(labels, clusters), clusters, options.Threads);
            var mean = found.Silhouette.Average();
            tried.Add((clusters, mean));
            if (best is null || mean > largest) (best, largest) = (found, mean);
        }
        return best! with { Tried = tried };
    }

    // by their products, where memory does: every number of clusters is begun several times
    private static IComparedVectors Compared(UnitVectors vectors, KMeansOptions options, IProgress<string>? progress)
    {
        if (vectors.Count > VectorProducts.Most || VectorProducts.Bytes(vectors.Count) > options.MemoryBytes)
        {
            return new PlainVectors(vectors);
        }
        progress?.Report($"comparing {vectors.Count:N0} prompts");
        return new VectorProducts(vectors, new() { MaxDegreeOfParallelism = options.Threads, CancellationToken = options.Cancel });
    }

    // ascending
    private static int[] Sample(int count, int size, int seed)
    {
        var all = Enumerable.Range(0, count).ToArray();
        new Random(seed).Shuffle(all);
        return [.. all.Take(size).Order()];
    }

    private static Clustering Measured(IComparedVectors rows, int[] labels, int clusters, int threads)
    {
        var sums = rows.Sums(labels, clusters, threads);
        var (silhouette, similarity, nearest) = Silhouettes.Of(sums, labels, threads);
        return new(labels, silhouette, similarity, nearest, clusters) { Objective = sums.Lengths().Sum() };
    }

    // equally large ones in the order of their first vectors
    private static int[] BySize(int[] labels, int clusters)
    {
        var order = labels.Index().GroupBy(l => l.Item).OrderByDescending(g => g.Count()).ThenBy(g => g.First().Index).Select(g => g.Key);
        var numbers = new int[clusters];
        foreach (var (number, label) in order.Index()) numbers[label] = number;
        return [.. labels.Select(l => numbers[l])];
    }
}
