using OnnxAttribution.Attribution;

namespace OnnxAttribution.Ablation;

/// <summary>Where a feature is ablated.</summary>
internal enum AblationPositions
{
    /// <summary>At every position where it is active, together: one node per (site, feature), at position −1.</summary>
    All,

    /// <summary>At the prompt's last position only, where it is active there.</summary>
    Last,

    /// <summary>At one position at a time: one node per (site, position, feature).</summary>
    Each,
}

/// <summary>Where the features downstream are read.</summary>
internal enum AblationMeasure
{
    /// <summary>At every position that the ablation reaches.</summary>
    All,

    /// <summary>At the prompt's last position.</summary>
    Last,
}

/// <summary>What naive ablation is asked for.</summary>
/// <param name="Coefficient">What a feature's activation is multiplied by: 0 takes it away, 1 changes nothing.</param>
/// <param name="TopEdges">Edges kept per pair of sites, by |effect|. Null: no such limit.</param>
/// <param name="Threshold">Least |effect| of a kept edge, as a change of the downstream activation.</param>
/// <param name="MinPath">Edges that a path must have at least for its edges to stay; null: 2, or 1 where the sites allow no path of 2.
/// Edges into the metric do not count.</param>
/// <param name="Logits">Go on to the metric and the next token's probabilities;
/// without it only edges are found, and most passes end one site further on.</param>
internal sealed record AblationOptions(
    MetricRequest Metric = default, float Coefficient = 0, AblationPositions Positions = AblationPositions.All,
    AblationMeasure Measure = AblationMeasure.All, int? TopEdges = 100, float Threshold = 0, int? MinPath = null, bool Logits = true)
{
    /// <summary>Every edge, however short its paths.</summary>
    public AblationOptions KeepingAll() => this with { TopEdges = null, Threshold = 0, MinPath = 1 };
}
