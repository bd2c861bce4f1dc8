namespace OnnxAttribution.Store;

/// <summary>One row of <c>nodes.parquet</c>: a dictionary feature at one token position or,
/// with feature −1, what the dictionary missed there.</summary>
/// <param name="Site">TransformerLens hook name, such as <c>blocks.0.hook_resid_pre</c>.</param>
/// <param name="Layer">The number in the hook name.</param>
/// <param name="Kind"><c>resid</c>, <c>attn</c> or <c>mlp</c>.</param>
/// <param name="Position">Token position, from 0.</param>
/// <param name="Token">The token's text; any text, quotes, newlines and NUL included.</param>
/// <param name="Feature">The feature's column in the dictionary, or <see cref="Error"/>.</param>
/// <param name="Activation">Clean activation; for an error node the norm ‖ε‖.</param>
/// <param name="PatchActivation">The same in the patch run, 0 without one.</param>
/// <param name="Gradient">∂m/∂activation; NaN, as for every error node, is written as NULL.</param>
/// <param name="Effect">m(patched) − m(clean) for this node alone, estimated or exact;
/// NaN, where it was not asked for, is written as NULL.</param>
/// <param name="Kept">Whether its effect passed the threshold, so that edges may name it.</param>
public readonly record struct NodeRow(
    string Site, int Layer, string Kind, int Position, string Token, int Feature,
    float Activation, float PatchActivation, float Gradient, float Effect, bool Kept)
{
    /// <summary>The feature of an error node: −1.</summary>
    public const int Error = Attribution.CausalNode.Error;
}
