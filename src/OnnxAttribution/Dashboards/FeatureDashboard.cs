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

/// <summary>A stretch of text around a token at which a feature is active.</summary>
/// <param name="Quantile">0: among the strongest; else the stratum below them, 1 the strongest.</param>
/// <param name="Peak">Which of the tokens the context was chosen for.</param>
/// <param name="Tokens">Their texts, in order.</param>
/// <param name="Activations">The feature's activation at each of them; 0 where it is not active.</param>
internal sealed record FeatureContext(int Quantile, int Peak, IReadOnlyList<string> Tokens, IReadOnlyList<float> Activations);

/// <summary>What a feature does to a token's logit directly: decoder row, final LayerNorm with its scale held fixed, unembedding.</summary>
/// <param name="Token">The token's text.</param>
/// <param name="Logit">Logit per unit of activation, at the text's mean scale; the mean over the vocabulary taken away.</param>
internal sealed record TokenLogit(string Token, float Logit);

/// <summary>Another feature of the same dictionary.</summary>
/// <param name="Feature">Its column in the dictionary.</param>
/// <param name="Cosine">Cosine of the two decoder rows.</param>
internal sealed record NearFeature(int Feature, float Cosine);
