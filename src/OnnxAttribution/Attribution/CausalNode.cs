using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>A dictionary feature at one token position or, with <see cref="Error"/>, what the dictionary missed there.</summary>
/// <param name="Activation">f in the clean run; ‖ε‖ for an error node.</param>
/// <param name="PatchActivation">f in the patch run, 0 without one.</param>
/// <param name="Gradient">∂m/∂f; NaN for an error node.</param>
/// <param name="Effect">Estimate of m(patched) − m(clean).</param>
public sealed record CausalNode(Site Site, int Position, int Feature, float Activation, float PatchActivation, float Gradient, float Effect)
{
    /// <summary><see cref="Feature"/> of an error node: what the dictionary missed.</summary>
    public const int Error = -1;

    /// <summary>Whether the node is what the dictionary missed, x − x̂, in place of a feature.</summary>
    public bool IsError => Feature == Error;

    /// <summary>Whether selection and pruning left it in the graph.</summary>
    public bool Kept { get; init; }
}
