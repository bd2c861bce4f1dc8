using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Attribution;

/// <summary>What of an edge's effect goes along paths that pass one attention head last, in one way; or along those that pass none.
/// The parts of an edge add up to it.</summary>
/// <param name="Up">Index of the upstream node in <see cref="CausalGraph.Nodes"/>.</param>
/// <param name="Down">Index of the downstream node, or <see cref="CausalEdge.Metric"/>.</param>
/// <param name="Head">The head; null where <paramref name="Way"/> is <see cref="AttentionWay.Around"/>.</param>
/// <param name="Way">How the paths pass it.</param>
/// <param name="Jacobian">The part of <see cref="CausalEdge.Jacobian"/>, in its unit, activation units of one dictionary per those of the
/// other; NaN where an end is an error node.</param>
/// <param name="Effect">The part of <see cref="CausalEdge.Effect"/>, in the metric's unit.</param>
public readonly record struct HeadPart(int Up, int Down, HeadName? Head, AttentionWay Way, float Jacobian, float Effect);

/// <summary>Which parts of edges a graph is asked for.</summary>
/// <param name="Only">The graph keeps only what passes this head; null: every edge is split, by all heads.</param>
public sealed record HeadRequest(HeadName? Only = null);
