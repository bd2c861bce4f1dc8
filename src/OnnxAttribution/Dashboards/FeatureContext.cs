namespace OnnxAttribution.Dashboards;

/// <summary>A stretch of text around a token at which a feature is active.</summary>
/// <param name="Quantile">0: among the strongest; else the stratum below them, 1 the strongest.</param>
/// <param name="Peak">Which of the tokens the context was chosen for.</param>
/// <param name="Tokens">Their texts, in order.</param>
/// <param name="Activations">The feature's activation at each of them; 0 where it is not active.</param>
internal sealed record FeatureContext(int Quantile, int Peak, IReadOnlyList<string> Tokens, IReadOnlyList<float> Activations);
