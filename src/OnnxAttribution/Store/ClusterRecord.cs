namespace OnnxAttribution.Store;

/// <summary>clusters.json: what was put in clusters, how, and how good they are.</summary>
internal sealed record ClusterRecord
{
    /// <summary>The dataset, or the file of prompts, as it was given.</summary>
    public required string PromptsOf { get; init; }

    /// <summary>What prompts were compared by: <c>nodes</c>, <c>activations</c> or <c>gradients</c>.</summary>
    public required string By { get; init; }

    /// <summary>Hook name of the site whose activations or gradients were compared; null of nodes.</summary>
    public string? Site { get; init; }

    /// <summary>The metric of the graphs, or whose gradient was compared; null of activations.</summary>
    public string? Metric { get; init; }

    /// <summary>The token position that the metric, or the site, was read at, from 0, BOS counted; null: the last.</summary>
    public int? Position { get; init; }

    /// <summary>Whether prompts got a BOS; null: as the dictionaries were trained.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>Whether edges counted beside nodes.</summary>
    public bool Edges { get; init; }

    /// <summary><c>kmeans</c> or <c>average</c>.</summary>
    public required string Method { get; init; }

    /// <summary>How many times k-means began anew; null of average linkage.</summary>
    public int? Restarts { get; init; }

    /// <summary>Of its beginnings, and of the sample; null likewise.</summary>
    public int? Seed { get; init; }

    /// <summary>Of how many prompts k-means began anew and the number of clusters was chosen; null: of all.</summary>
    public int? Sample { get; init; }

    /// <summary>How many prompts are in a cluster.</summary>
    public int Prompts { get; init; }

    /// <summary>How many had nothing to compare.</summary>
    public int LeftOut { get; init; }

    /// <summary>How many clusters there are.</summary>
    public int ClusterCount { get; init; }

    /// <summary>The mean silhouette of all prompts.</summary>
    public double Silhouette { get; init; }

    /// <summary>Σ of prompts' cosines with their clusters' sums.</summary>
    public double Objective { get; init; }

    /// <summary>How many labels the prompts have.</summary>
    public int Labels { get; init; }

    /// <summary>How well clusters agree with labels; null where there are not two.</summary>
    public double? AdjustedRandIndex { get; init; }

    /// <summary>The numbers of clusters that were tried.</summary>
    public required IReadOnlyList<TriedClusters> Tried { get; init; }

    /// <summary>What made them: <c>onnx-attribution</c>.</summary>
    public string? Program { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }
}

/// <summary>A number of clusters that was tried.</summary>
/// <param name="Clusters">How many.</param>
/// <param name="Silhouette">The mean silhouette then, of the sample where there is one.</param>
internal sealed record TriedClusters(int Clusters, double Silhouette);
