using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Attribution;

/// <summary>The table of gradient rules that an estimator is.</summary>
internal static class EstimatorRules
{
    public static GradientRules Rules(this Estimator estimator) => estimator switch
    {
        Estimator.Gradient => GradientRules.Gradient,
        Estimator.Relp => GradientRules.Relp,
        Estimator.Frozen => GradientRules.Frozen,
        _ => throw new ArgumentOutOfRangeException(nameof(estimator)),
    };
}
