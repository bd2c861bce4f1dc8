using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>A dictionary feature at one token position or, with <see cref="Error"/>, what the dictionary missed there.</summary>
/// <param name="Site">The selected site that it belongs to.</param>
/// <param name="Position">Token position from 0, BOS counted; <see cref="TokenPosition.All"/> where positions are summed.</param>
/// <param name="Feature">Row of W_dec, from 0, or <see cref="Error"/>.</param>
/// <param name="Activation">f in the clean run, in activation units of the dictionary; for an error node ‖ε‖, in those of the site.</param>
/// <param name="PatchActivation">The same in the patch run, in the same activation units; 0 without one.</param>
/// <param name="Gradient">∂m/∂f at the clean run, the metric's unit per activation; NaN for an error node.</param>
/// <param name="Effect">m(node patched) − m(clean), in the metric's unit, by the <see cref="EffectMethod"/> that was asked for.</param>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 3: features and error terms as nodes of one graph.</remarks>
public sealed record CausalNode(Site Site, int Position, int Feature, float Activation, float PatchActivation, float Gradient, float Effect)
{
    /// <summary><see cref="Feature"/> of an error node: what the dictionary missed.</summary>
    public const int Error = -1;

    /// <summary>Whether the node is what the dictionary missed, x − x̂, in place of a feature.</summary>
    public bool IsError => Feature == Error;

    /// <summary>Whether selection and pruning left it in the graph.</summary>
    public bool Kept { get; init; }
}
