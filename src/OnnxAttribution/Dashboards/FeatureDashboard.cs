namespace OnnxAttribution.Dashboards;

/// <summary>What a text says about one feature: one row of a bundle's <c>features.parquet</c>.</summary>
/// <param name="Site">The dictionary's site, as the bundle names it.</param>
/// <param name="Feature">The feature's column in the dictionary.</param>
/// <param name="FiringRate">Share of tokens at which it is active (BOS positions do not count); 0: dead on this text.</param>
/// <param name="MeanActivation">Mean over the tokens at which it is active; 0 where it never is.</param>
/// <param name="MaxActivation">Largest activation seen; 0 where it never is active.</param>
/// <param name="Histogram">Counts of activations in equal bins of <see cref="BinWidth"/> from 0;
/// <paramref name="MaxActivation"/> lies in the last; empty where it never is active.</param>
/// <param name="Contexts">Where it is active: the strongest first, then samples from lower quantiles of its activations.</param>
/// <param name="Promoted">Tokens whose logit its decoder row raises most, strongest first.</param>
/// <param name="Suppressed">Tokens whose logit it lowers most, strongest first.</param>
/// <param name="Nearest">Features of the same dictionary with the largest decoder cosine, largest first.</param>
internal sealed record FeatureDashboard(
    string Site, int Feature, double FiringRate, float MeanActivation, float MaxActivation, IReadOnlyList<long> Histogram,
    IReadOnlyList<FeatureContext> Contexts, IReadOnlyList<TokenLogit> Promoted, IReadOnlyList<TokenLogit> Suppressed,
    IReadOnlyList<NearFeature> Nearest)
{
    /// <summary>Never active on the text.</summary>
    public bool IsDead => FiringRate == 0;

    /// <summary>Width of a bin of <see cref="Histogram"/>: a power of two,
    /// so that 17 to 32 bins reach <see cref="MaxActivation"/>; 0 where it never is active.</summary>
    /// <remarks>Bins that end exactly at the largest activation could be counted only after it is known;
    /// these are exact in one pass, since two merge into one as the range doubles.</remarks>
    public float BinWidth => ActivationHistogram.WidthFor(MaxActivation);
}
