namespace OnnxAttribution.Preflight;

/// <summary>What a check of a bundle's dictionaries has found.</summary>
/// <param name="Text">The text's name.</param>
/// <param name="Tokens">Of the text, BOS not counted.</param>
/// <param name="Context">Longest sequence, BOS included.</param>
/// <param name="Findings">In the order of the sites; none where all looks well.</param>
/// <param name="Notes">What else one should know about the figures.</param>
internal sealed record CheckReport(string Text, long Tokens, int Context, IReadOnlyList<SiteCheck> Sites, IReadOnlyList<Finding> Findings,
    IReadOnlyList<string> Notes);
