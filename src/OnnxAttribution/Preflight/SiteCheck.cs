namespace OnnxAttribution.Preflight;

/// <summary>A dictionary's figures on a text.</summary>
/// <param name="K">Of TopK.</param>
/// <param name="Normalization">What is done to the input, in SAELens's words.</param>
/// <param name="PrependBos">Whether the text's sequences began with BOS, as the dictionary's config says.</param>
/// <param name="Dead">Features that were active on no token: as few at most are dead, since the text is short.</param>
/// <param name="Dense">Features that were active on more than a tenth of the tokens.</param>
/// <param name="Loss">null: not measured.</param>
internal sealed record SiteCheck(string Site, string Architecture, int? K, int Features, string Normalization, bool PrependBos,
    ReconstructionFit Fit, int Dead, int Dense, SiteLoss? Loss);
