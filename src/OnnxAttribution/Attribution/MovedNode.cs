namespace OnnxAttribution.Attribution;

/// <summary>A node that is to be moved from its clean to its patch value, alone, in a row of its own.</summary>
/// <param name="Index">Of the node in the graph's list.</param>
/// <param name="Start">Index of its site among the bundle's.</param>
/// <param name="End">Index of the residual site at which the linear step is taken; <see cref="ToMetric"/>: the metric is run too.</param>
internal readonly record struct MovedNode(int Index, SiteEffects Site, int Start, int End)
{
    /// <summary><see cref="End"/> of a node whose effect is exact.</summary>
    public const int ToMetric = int.MaxValue;

    public (int Position, int Feature) Node => Site.Nodes[Index - Site.FirstNode];

    public bool IsExact => End == ToMetric;
}
