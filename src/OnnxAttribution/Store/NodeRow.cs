namespace OnnxAttribution.Store;

/// <summary>One row of <c>nodes.parquet</c>: a dictionary feature at one token position or,
/// with feature −1, what the dictionary missed there.</summary>
/// <param name="Site">TransformerLens hook name, such as <c>blocks.0.hook_resid_pre</c>.</param>
/// <param name="Layer">The number in the hook name: the block, from 0.</param>
/// <param name="Kind"><c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c> or <c>z</c>.</param>
/// <param name="Position">Token position from 0, BOS counted; −1 where positions are summed.</param>
/// <param name="Token">The token's text; any text, quotes, newlines and NUL included.</param>
/// <param name="Feature">The feature's row of W_dec, from 0, or <see cref="Error"/>.</param>
/// <param name="Activation">In the clean run, in activation units of the dictionary; for an error node the norm ‖ε‖, in those of the
/// site.</param>
/// <param name="PatchActivation">The same in the patch run, in the same activation units; 0 without one.</param>
/// <param name="Gradient">∂m/∂activation, the metric's unit per activation; NaN, as for every error node, is written as NULL.</param>
/// <param name="Effect">m(patched) − m(clean) for this node alone, in the metric's unit, estimated or exact;
/// NaN, where it was not asked for, is written as NULL.</param>
/// <param name="Kept">Whether its effect passed the threshold, so that edges may name it.</param>
public readonly record struct NodeRow(
    string Site, int Layer, string Kind, int Position, string Token, int Feature,
    float Activation, float PatchActivation, float Gradient, float Effect, bool Kept)
{
    /// <summary>What the node's clean value does for the metric, in the metric's unit: −<see cref="Effect"/>. Of a run that made nodes
    /// more than they are, by a coefficient above 1, that is not it: their effect itself is, and the file's column says so.</summary>
    public float Contribution => -Effect;

    /// <summary>The linear estimate of the effect, in the metric's unit; NaN, where there is none, is written as NULL.</summary>
    public float Attribution { get; init; } = float.NaN;

    /// <summary>The effect with the node really patched, in the metric's unit; NaN, where not measured, is written as NULL.</summary>
    public float Exact { get; init; } = float.NaN;

    /// <summary>What the effect was found by: <c>attribution</c>, <c>ig</c>, <c>depth-1</c>, …, <c>exact</c>, or <c>mixed</c> of a sum;
    /// null in runs of earlier versions.</summary>
    public string? Method { get; init; }

    /// <summary>An estimate of |effect − exact|, in the metric's unit, 0 where it is exact;
    /// NaN, where nothing is known, is written as NULL.</summary>
    public float EffectError { get; init; } = float.NaN;

    /// <summary>The share of all influence on the outputs that nodes of at least its own have, no unit; NaN, where outputs were not
    /// asked for, is written as NULL.</summary>
    public float Influence { get; init; } = float.NaN;

    /// <summary>The separate circuit that it is in, a part of the graph that no edge but one into the metric joins to another: from 1, by
    /// its strongest edge, no unit; null, of a node that no edge ends at, is written as NULL. Writing a run finds it anew.</summary>
    public int? Component { get; init; }

    /// <summary>Whether the effect's error is estimated at more than half of it: even its sign may be wrong.</summary>
    internal bool IsUnreliable => 2 * EffectError > Math.Abs(Effect);

    /// <summary>The feature of an error node: −1.</summary>
    public const int Error = OnnxAttribution.Attribution.CausalNode.Error;
}
