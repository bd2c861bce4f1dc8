namespace OnnxAttribution.Preflight;

/// <summary>How well a dictionary rebuilds a site's activations, over the tokens that count.</summary>
/// <param name="Tokens">N: all positions but the first of each sequence.</param>
/// <param name="L0">Mean number of active features.</param>
/// <param name="VarianceExplained">1 − Σ ‖x − x̂‖² / Σ ‖x − x̄‖², x̄ the mean of the N activations:
/// sums over all tokens and dimensions, so that short activations weigh little.</param>
/// <param name="Cosine">Mean cosine of x and x̂.</param>
/// <param name="NormRatio">Mean of ‖x̂‖ / ‖x‖.</param>
/// <param name="FirstVarianceExplained">1 − Σ ‖x − x̂‖² / Σ ‖x − x̄‖² over the first positions.</param>
internal readonly record struct ReconstructionFit(int Tokens, double L0, double VarianceExplained, double Cosine, double NormRatio,
    double FirstVarianceExplained)
{
    internal double Unexplained => 1 - VarianceExplained;
}
