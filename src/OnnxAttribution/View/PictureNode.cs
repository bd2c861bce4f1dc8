using System.Globalization;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.View;

/// <summary>A node as it is drawn; the metric is one too, the only one without a site.</summary>
/// <param name="Site">null: the metric.</param>
/// <param name="Position">Token position; −1: all positions together.</param>
/// <param name="Token">The token's text, which may be any text; "" where the node stands at no position.</param>
/// <param name="Feature">The feature's column in the dictionary; −1: the error node, or the metric.</param>
/// <param name="Activation">Clean activation; an error node's norm; the metric's clean value.</param>
/// <param name="PatchActivation">The same in the patch run, 0 without one; the metric's NaN then.</param>
/// <param name="Gradient">∂m/∂activation; NaN for error nodes, sums over positions and the metric.</param>
/// <param name="Effect">m(patched) − m(clean); NaN where the run does not say.</param>
/// <param name="ExactEffect">The same by a real intervention; NaN where it was not validated.</param>
internal sealed record PictureNode(
    Site? Site, int Position, string Token, int Feature, float Activation, float PatchActivation, float Gradient, float Effect,
    float ExactEffect = float.NaN)
{
    private const int Error = -1;

    public bool IsMetric => Site is null;
    public bool IsError => Site is not null && Feature == Error && !IsToken;

    /// <summary>A token's row of the embedding, with which graphs of transcoders begin; where positions are summed, of all tokens.
    /// </summary>
    public bool IsToken => Site is { Kind: SiteKind.Embed };

    /// <summary>Whether it stands for the errors of all positions of its site that have no node of their own.</summary>
    public bool IsLump { get; init; }

    /// <summary>What its clean value does for the metric: <see cref="Effect"/> times <see cref="SignOfClean"/>,
    /// above 0 where the metric falls without it. 0 where that is not known.</summary>
    public float Contribution => float.IsNaN(Effect) ? 0 : SignOfClean * Effect;

    /// <summary>What the effect was found by; null where the run does not say.</summary>
    public string? Method { get; init; }

    /// <summary>An estimate of |effect − exact|; NaN where nothing is known.</summary>
    public float EffectError { get; init; } = float.NaN;

    /// <summary>The share of all influence on output tokens that nodes of at least its own have; NaN where the run does not say.</summary>
    public float Influence { get; init; } = float.NaN;

    /// <summary>The separate circuit that it belongs to (<see cref="Attribution.SeparateCircuits"/>); 0: none.</summary>
    public int Component { get; init; }

    /// <summary>Whether the effect may be off by more than half of it, even in sign.</summary>
    public bool IsUnreliable { get; init; }

    /// <summary>As in <see cref="PictureHeader.SignOfClean"/>.</summary>
    public int SignOfClean { get; init; } = -1;

    /// <summary>Site and feature as the command line reads them, as in <c>3:953</c> or <c>3.mlp:error</c>; <c>3.mlp:errors</c> for
    /// several.</summary>
    public string Label => IsMetric ? "metric" : IsToken ? Position < 0 ? "tokens" : "token"
        : FeatureName.Of(Site!, Feature) + (IsLump ? "s" : "");

    /// <summary>The same with its position, as in <c>3:953@5</c>.</summary>
    public string Spelling => IsMetric || Position < 0 ? Label : string.Create(CultureInfo.InvariantCulture, $"{Label}@{Position}");
}
