using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Validation;

/// <summary>Why a node or an edge is checked.</summary>
internal enum Stratum
{
    /// <summary>Of those kept, among the largest |effect| of its site, or pair of sites.</summary>
    Strongest,

    /// <summary>Kept, drawn at random.</summary>
    Kept,

    /// <summary>Not in the graph, drawn at random: what selection may have missed.</summary>
    Dropped,
}

/// <summary>One approximate value beside the exact one.</summary>
/// <param name="Stratum">null: everything is checked, and nothing was drawn.</param>
/// <param name="Estimator">Name of what was judged.</param>
/// <param name="Up">The node, or an edge's upstream end.</param>
/// <param name="Down">An edge's downstream end; null where it is the metric, and for a node.</param>
/// <param name="ApproxChange">jacobian · Δ: the estimated change of the downstream feature's activation;
/// NaN where there is none, or where g_d is 0.</param>
/// <param name="ExactChange">The change that was measured; NaN where the downstream end is no feature.</param>
internal sealed record ValidationCheck(
    bool IsEdge, Stratum? Stratum, string Estimator, CausalNode Up, CausalNode? Down, float ApproxChange, float ExactChange,
    float ApproxEffect, float ExactEffect)
{
    /// <summary>In which model it was really moved.</summary>
    public MovedModel Model { get; init; }

    /// <summary>The stratum as tables and run.json have it.</summary>
    public string StratumName => Stratum is { } stratum ? EnumName.Of(stratum) : "all";

    /// <summary>Whether an error node is among the ends.</summary>
    public bool HasError => Up.IsError || Down is { IsError: true };

    /// <summary>How far the estimate is off.</summary>
    public double Miss => Math.Abs((double)ApproxEffect - ExactEffect);
}
