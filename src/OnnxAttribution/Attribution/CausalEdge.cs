namespace OnnxAttribution.Attribution;

/// <summary>What one node does to another along paths that meet no other selected site.</summary>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 3 and appendix A.1.</remarks>
/// <param name="Up">Index of the upstream node in <see cref="CausalGraph.Nodes"/>.</param>
/// <param name="Down">Index of the downstream node, or <see cref="Metric"/>.</param>
/// <param name="Jacobian">∂f_down/∂f_up at the clean run, activation units of one dictionary per those of the other; into the metric
/// ∂m/∂f_up, the metric's unit per activation. NaN where an end is an error node.</param>
/// <param name="Effect">Its part of the metric's change, in the metric's unit: positive where the edge raises the metric.</param>
public readonly record struct CausalEdge(int Up, int Down, float Jacobian, float Effect)
{
    /// <summary>Exact change of the downstream activation when the upstream node alone really moves, in activation units of the
    /// downstream dictionary; NaN where it was not asked for (<see cref="EdgeMethod.Exact"/>), and into an error node or the
    /// metric.</summary>
    public float Change { get; init; } = float.NaN;

    /// <summary>The jacobian times the upstream node's clean value, in pre-activation units of the downstream dictionary, and into the
    /// metric in the metric's unit (through a soft cap of logits): circuit-tracer's edge weight. An error counts along its vector, a token
    /// along its row of the embedding. NaN where MLPs are not replaced by transcoders, into an error node, and of errors and tokens with a
    /// patch run.</summary>
    public float Weight { get; init; } = float.NaN;

    /// <summary>What the upstream node's clean value does for the metric by way of the edge, in the metric's unit:
    /// −<see cref="Effect"/>; as with <see cref="CausalNode.Contribution"/>, not of nodes that were made more than they are.</summary>
    public float Contribution => -Effect;

    /// <summary><see cref="Down"/> of an edge into the metric.</summary>
    public const int Metric = -1;
}
