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
    /// <summary>The feature of an error node: −1.</summary>
    public const int Error = Attribution.CausalNode.Error;
}
