namespace OnnxAttribution.Preflight;

/// <summary>What a check of a bundle's dictionaries has found.</summary>
/// <param name="Text">The text's name.</param>
/// <param name="Tokens">Of the text, BOS not counted.</param>
/// <param name="Context">Longest sequence, BOS included.</param>
/// <param name="Findings">In the order of the sites; none where all looks well.</param>
/// <param name="Notes">What else one should know about the figures.</param>
internal sealed record CheckReport(string Text, long Tokens, int Context, IReadOnlyList<SiteCheck> Sites, IReadOnlyList<Finding> Findings,
    IReadOnlyList<string> Notes);

/// <summary>A dictionary's figures on a text.</summary>
/// <param name="K">Of TopK.</param>
/// <param name="Normalization">What is done to the input, in SAELens's words.</param>
/// <param name="PrependBos">Whether the text's sequences began with BOS, as the dictionary's config says.</param>
/// <param name="Dead">Features that were active on no token: as few at most are dead, since the text is short.</param>
/// <param name="Dense">Features that were active on more than a tenth of the tokens.</param>
/// <param name="Loss">null: not measured.</param>
internal sealed record SiteCheck(string Site, string Architecture, int? K, int Features, string Normalization, bool PrependBos,
    ReconstructionFit Fit, int Dead, int Dense, SiteLoss? Loss);

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
