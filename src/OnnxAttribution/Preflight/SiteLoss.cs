namespace OnnxAttribution.Preflight;

/// <summary>Cross-entropies of next-token prediction, in nats per token, over the same predictions.</summary>
/// <param name="Clean">Of the model as it is.</param>
/// <param name="Spliced">With the site replaced by its reconstruction at all positions but BOS.</param>
/// <param name="Zero">With the site 0 at all positions.</param>
internal sealed record SiteLoss(double Clean, double Spliced, double Zero, int Predictions)
{
    /// <summary>Below so many nats there is nothing to recover.</summary>
    private const double Least = 0.01;

    /// <summary>(Zero − Spliced) / (Zero − Clean); null where zeroing the site costs next to nothing.</summary>
    public double? Recovered => Zero - Clean < Least ? null : (Zero - Spliced) / (Zero - Clean);
}
