namespace OnnxAttribution.Attribution;

/// <summary>What one node does to another along paths that meet no other selected site.</summary>
/// <param name="Up">Index of the upstream node in <see cref="CausalGraph.Nodes"/>.</param>
/// <param name="Down">Index of the downstream node, or <see cref="Metric"/>.</param>
/// <param name="Jacobian">Activation per activation (into the metric: metric per activation); NaN where an end is an error node.</param>
/// <param name="Effect">Its part of the metric's change.</param>
public readonly record struct CausalEdge(int Up, int Down, float Jacobian, float Effect)
{
    /// <summary><see cref="Down"/> of an edge into the metric.</summary>
    public const int Metric = -1;
}
