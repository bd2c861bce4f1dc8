using OnnxAttribution.Clusters;

namespace OnnxAttribution.Runs;

/// <summary>How prompts are put in clusters.</summary>
/// <param name="Least">The least number of clusters.</param>
/// <param name="Most">The largest; of several the one with the best silhouettes is taken.</param>
internal sealed record ClusterRequest(int Least, int Most)
{
    public ClusterMethod Method { get; init; }

    /// <summary>Whether edges count beside nodes.</summary>
    public bool WithEdges { get; init; }

    /// <summary>How many times k-means begins anew.</summary>
    public int Restarts { get; init; } = 10;

    /// <summary>Of its beginnings.</summary>
    public int Seed { get; init; }

    /// <summary>How many nodes of each cluster are told.</summary>
    public int Top { get; init; } = 10;

    /// <summary>From 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Bytes that the clusters' sums may take, and products of every two prompts.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;
}
