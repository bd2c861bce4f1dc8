namespace OnnxAttribution.Store;

/// <summary>One row of <c>edges.parquet</c>, its ends given as indices into the list of nodes.</summary>
/// <param name="Up">Index of the upstream node.</param>
/// <param name="Down">Index of the downstream node, or <see cref="Metric"/>.</param>
/// <param name="Jacobian">∂(down activation)/∂(up activation) along direct paths; NaN, as where an end is an error node, is written as NULL.</param>
/// <param name="Effect">What the upstream node's change does to the metric through this edge.</param>
public readonly record struct EdgeRow(int Up, int Down, float Jacobian, float Effect)
{
    /// <summary>The <see cref="Down"/> of an edge into the metric: −1.</summary>
    public const int Metric = -1;

    /// <summary>What the file calls the metric in <c>down_site</c>.</summary>
    public const string MetricSite = "metric";
}
