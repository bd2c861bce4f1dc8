namespace OnnxAttribution.Dashboards;

/// <summary>A feature that has to do with a word.</summary>
/// <param name="Contexts">Strongest contexts in which it is strongly active on the word.</param>
/// <param name="Weaker">The same among the samples of weaker activations.</param>
/// <param name="Promoted">Tokens with the word among those it promotes.</param>
/// <param name="Example">The strongest context that counts, with its tokens on the word; null where only promoted tokens do.</param>
internal sealed record FeatureMatch(FeatureDashboard Feature, int Contexts, int Weaker, IReadOnlyList<string> Promoted,
    FeatureContext? Example)
{
    /// <summary>Its label; null: it has none.</summary>
    public string? Label { get; init; }

    /// <summary>The word stands in the label.</summary>
    public bool IsLabelled { get; init; }

    /// <summary>What matches are ranked by: the share of strongest contexts, a tenth for each of the first promoted tokens at
    /// most, and a half for the label.</summary>
    public double Rank =>
        ((double)Contexts / Math.Max(1, Feature.Contexts.Count(c => c.Quantile == 0))) + Math.Min(0.3, 0.1 * Promoted.Count)
        + (IsLabelled ? 0.5 : 0);
}
