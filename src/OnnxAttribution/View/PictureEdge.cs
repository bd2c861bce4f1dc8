namespace OnnxAttribution.View;

/// <summary>An edge as it is drawn.</summary>
/// <param name="Up">Index of the upstream node in <see cref="RunPicture.Nodes"/>.</param>
/// <param name="Down">Index of the downstream node; the metric's where the edge leads there.</param>
/// <param name="Jacobian">Activation per activation; NaN where an end is an error node, or positions were summed.</param>
/// <param name="Effect">As the run has it: a part of the metric's change or,
/// in a run of real ablations, the downstream activation's change.</param>
/// <param name="OnMetric">What the upstream node's clean value does for the metric along this edge:
/// above 0 raises it; NaN where the run does not say.</param>
/// <param name="OnDownstream">What it does for the downstream activation: above 0 raises it;
/// NaN where the run does not say (error nodes, sums over positions).</param>
internal readonly record struct PictureEdge(int Up, int Down, float Jacobian, float Effect, float OnMetric, float OnDownstream)
{
    /// <summary>Jacobian times the upstream node's clean value; NaN where the run does not say.</summary>
    public float Weight { get; init; } = float.NaN;
}
