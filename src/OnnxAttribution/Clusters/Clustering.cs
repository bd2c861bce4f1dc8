namespace OnnxAttribution.Clusters;

/// <summary>How clusters are found.</summary>
internal enum ClusterMethod
{
    /// <summary><see cref="SphericalKMeans"/>.</summary>
    KMeans,

    /// <summary><see cref="AverageLinkage"/>.</summary>
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

    /// <summary>The mean silhouette for each number of clusters that was tried.</summary>
    public IReadOnlyList<(int Clusters, double Silhouette)> Tried { get; init; } = [];
}

/// <summary>Finds clusters of vectors: for every number of clusters that may be, and the number with the largest mean silhouette is taken.
/// </summary>
internal static class ClusterFinder
{
    /// <param name="range">The least number of clusters, from 1, and the largest, no more than there are vectors.</param>
    /// <param name="progress">Told of each number.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Clustering Find(UnitVectors rows, (int Least, int Most) range, ClusterMethod method, KMeansOptions options,
        IProgress<string>? progress = null)
    {
        var joins = method == ClusterMethod.Average ? AverageLinkage.Joins(rows, options.Threads, options.Cancel) : null;
        var (best, tried, largest) = ((Clustering?)null, new List<(int, double)>(), double.NegativeInfinity);
        for (var clusters = range.Least; clusters <= range.Most; clusters++)
        {
            progress?.Report($"{clusters} clusters of at most {range.Most}");
            options.Cancel.ThrowIfCancellationRequested();
            var labels = joins is not null ? AverageLinkage.Cut(joins, clusters) : new SphericalKMeans(rows, options).Find(clusters).Labels;
            var found = Measured(rows, BySize(labels, clusters), clusters, options.Threads);
            var mean = found.Silhouette.Average();
            tried.Add((clusters, mean));
            if (best is null || mean > largest) (best, largest) = (found, mean);
        }
        return best! with { Tried = tried };
    }

    private static Clustering Measured(UnitVectors rows, int[] labels, int clusters, int threads)
    {
        var (silhouette, similarity, nearest) = Silhouettes.Of(rows, labels, clusters, threads);
        return new(labels, silhouette, similarity, nearest, clusters)
        {
            Objective = new ClusterSums(rows, labels, clusters).Lengths().Sum(),
        };
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
