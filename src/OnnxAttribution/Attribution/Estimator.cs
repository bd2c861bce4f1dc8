using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Attribution;

/// <summary>What counts as a derivative of the model, in gradients and in edges.
/// Dictionaries and the metric keep their true ones. Effects are conserved under each.</summary>
public enum Estimator
{
    /// <summary>True derivatives: attribution patching.</summary>
    Gradient,

    /// <summary>LayerNorm's scale held fixed and GELU replaced by the constant ratio gelu(x)/x (RelP; arXiv:2508.21258).</summary>
    Relp,

    /// <summary>LayerNorm's scale and attention patterns held fixed, as circuit-tracer does
    /// (Ameisen et al. 2025, "Circuit Tracing").</summary>
    Frozen,

    /// <summary>LayerNorm's scale held fixed, attention's softmax as if at temperature 2, and derivatives halved at each product of two
    /// activations: values × 0.5, queries and keys × 0.25, gate and up projection × 0.5 (GIM; arXiv:2505.17630).</summary>
    Gim,
}

/// <summary>The table of gradient rules that an estimator is.</summary>
internal static class EstimatorRules
{
    public static GradientRules Rules(this Estimator estimator) => estimator switch
    {
        Estimator.Gradient => GradientRules.Gradient,
        Estimator.Relp => GradientRules.Relp,
        Estimator.Frozen => GradientRules.Frozen,
        Estimator.Gim => GradientRules.Gim,
        _ => throw new ArgumentOutOfRangeException(nameof(estimator)),
    };
}
