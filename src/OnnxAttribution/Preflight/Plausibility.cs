namespace OnnxAttribution.Preflight;

/// <summary>What makes one look twice at a fit, and what counts as fixing it. Figures of published dictionaries leave these bounds rarely;
/// where they do, nothing is said unless another reading is better by far.</summary>
internal static class Plausibility
{
    private const double LeastExplained = 0.8, LeastExplainedWhenFixed = 0.6, LeastRatio = 0.6, MostRatio = 1.5;

    public static bool LooksWrong(ReconstructionFit fit, int width, int features) =>
        !(fit.VarianceExplained >= LeastExplained) || IsDense(fit, width, features) || fit.NormRatio is < LeastRatio or > MostRatio;

    /// <summary>More features active than the site has dimensions, or an eighth of all: not sparse.</summary>
    public static bool IsDense(ReconstructionFit fit, int width, int features) => fit.L0 > Math.Max(width, features / 8.0);

    /// <summary>So bad that it is said though nothing fixes it.</summary>
    public static bool IsHopeless(ReconstructionFit fit, int width, int features) =>
        !(fit.VarianceExplained >= 0.5) || fit.L0 > Math.Max(2.0 * width, features / 4.0);

    /// <summary>Half of what was not explained is, and the outcome is sound.</summary>
    public static bool Fixes(ReconstructionFit before, ReconstructionFit after, int width, int features) =>
        after.VarianceExplained >= LeastExplainedWhenFixed && after.Unexplained <= 0.5 * before.Unexplained
            && !IsDense(after, width, features);

    /// <summary>Fewer features explain more: a ReLU dictionary never gains by leaving its weakest activations out,
    /// one that was trained with TopK does.</summary>
    public static bool GainsBySparsity(ReconstructionFit before, ReconstructionFit after) =>
        after.VarianceExplained >= LeastExplainedWhenFixed && after.Unexplained <= 0.7 * before.Unexplained && after.L0 <= 0.6 * before.L0;

    /// <summary>Without BOS, the first token of a text is rebuilt far worse than the others:
    /// what the dictionary misses there is at least a fifth, and five times as much.</summary>
    public static bool MissesFirst(ReconstructionFit fit) => 1 - fit.FirstVarianceExplained >= Math.Max(0.2, 5 * fit.Unexplained);
}
