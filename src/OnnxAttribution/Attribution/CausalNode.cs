using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>A dictionary feature at one token position or, with <see cref="Error"/>, what the dictionary missed there.</summary>
/// <param name="Site">The selected site that it belongs to.</param>
/// <param name="Position">Token position from 0, BOS counted; <see cref="TokenPosition.All"/> where positions are summed.</param>
/// <param name="Feature">Row of W_dec, from 0, or <see cref="Error"/>.</param>
/// <param name="Activation">f in the clean run, in activation units of the dictionary; for an error node ‖ε‖, in those of the site.</param>
/// <param name="PatchActivation">The same in the patch run, in the same activation units; 0 without one.</param>
/// <param name="Gradient">∂m/∂f at the clean run, the metric's unit per activation; NaN for an error node.</param>
/// <param name="Effect">m(node patched) − m(clean), in the metric's unit: the best number known, by <see cref="Method"/>.</param>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 3: features and error terms as nodes of one graph.</remarks>
public sealed record CausalNode(Site Site, int Position, int Feature, float Activation, float PatchActivation, float Gradient, float Effect)
{
    /// <summary><see cref="Feature"/> of an error node: what the dictionary missed.</summary>
    public const int Error = -1;

    /// <summary>Whether the node is what the dictionary missed, x − x̂, in place of a feature.</summary>
    public bool IsError => Feature == Error;

    /// <summary>Whether the node stands for the errors of all positions of its site that have no node of their own
    /// (<see cref="GraphOptions.TopErrors"/>); it is at <see cref="TokenPosition.All"/>.</summary>
    public bool IsLump { get; init; }

    /// <summary>Whether the node is a token's row of the embedding, with which graphs of transcoders begin; of no dictionary, its
    /// <see cref="Feature"/> is <see cref="Error"/>.</summary>
    public bool IsToken => Site.Kind == SiteKind.Embed;

    /// <summary>The linear estimate of <see cref="Effect"/>, in the metric's unit: gradient times change.
    /// NaN where there is none.</summary>
    public float Attribution { get; init; } = Effect;

    /// <summary>m(node patched) − m(clean), in the metric's unit, with the node really patched and everything after it computed again;
    /// NaN where that was not measured.</summary>
    public float Exact { get; init; } = float.NaN;

    /// <summary>What <see cref="Effect"/> was found by: <c>attribution</c>, <c>ig</c>, <c>atpstar</c>, <c>depth-1</c>, <c>depth-2</c>, …,
    /// <c>exact</c>; of a sum of several <c>mixed</c>.</summary>
    public string Method { get; init; } = NodeMethods.Attribution;

    /// <summary>An estimate of |effect − exact|, in the metric's unit: 0 where it is exact, NaN where nothing is known of it.</summary>
    public float EffectError { get; init; } = float.NaN;

    /// <summary>What the node's clean value does for the metric, in the metric's unit: −<see cref="Effect"/>. Of nodes that were
    /// made more than they are, by a coefficient above 1, that is not it: their effect itself is.</summary>
    public float Contribution => -Effect;

    /// <summary>Whether the error of <see cref="Effect"/> is estimated at more than half of it: even its sign may be wrong.</summary>
    public bool IsUnreliable => 2 * EffectError > Math.Abs(Effect);

    /// <summary>∂m/∂f as edges into the node use it: where more than a linear estimate is known of the effect, effect per change of
    /// activation. An error node has none; see <see cref="SiteEffects.GradientFor"/>.</summary>
    internal float Derivative => !NodeMethods.IsMeasured(Method) || PatchActivation == Activation
        ? Gradient : Effect / (PatchActivation - Activation);

    /// <summary>The share of all influence on the outputs that nodes of at least its own influence have, no unit: small where the node
    /// matters (circuit-tracer's <c>influence</c>). NaN without outputs, and of nodes that selection had left out before.</summary>
    public float Influence { get; init; } = float.NaN;

    /// <summary>Whether selection and pruning left it in the graph.</summary>
    public bool Kept { get; init; }
}
