namespace OnnxAttribution.Dashboards;

/// <summary>A feature's contexts parted in two: some to explain it by, and others to score an explanation on. The same for the same
/// features.parquet, however many are shown.</summary>
/// <param name="Shown">Strongest contexts of even rank, and the first of each stratum below.</param>
/// <param name="HeldOut">Strongest contexts of odd rank, and the second of each stratum.</param>
internal sealed record ExplainSplit(IReadOnlyList<FeatureContext> Shown, IReadOnlyList<FeatureContext> HeldOut)
{
    /// <summary>Activations are told as 0 to 10, as Bills et al. 2023 (Language models can explain neurons in language models) tell
    /// them.</summary>
    public const int Scale = 10;

    private const int MostHeldOut = 5;

    /// <param name="shown">How many contexts to show at most; a third of them from the strata.</param>
    /// <returns>null: too few contexts to hold one out.</returns>
    public static ExplainSplit? Of(FeatureDashboard feature, int shown)
    {
        var top = feature.Contexts.Where(c => c.Quantile == 0).ToList();
        var strata = feature.Contexts.Where(c => c.Quantile > 0).GroupBy(c => c.Quantile).OrderBy(g => g.Key).ToList();
        var weaker = strata.Select(g => g.First()).Take(shown / 3).ToList();
        FeatureContext[] heldOut =
        [
            .. top.Where((_, rank) => rank % 2 == 1).Take(MostHeldOut), .. strata.SelectMany(g => g.Skip(1).Take(1)),
        ];
        return heldOut.Length == 0 ? null
            : new ExplainSplit([.. top.Where((_, rank) => rank % 2 == 0).Take(Math.Max(1, shown - weaker.Count)), .. weaker], heldOut);
    }

    /// <summary>⌊10 a / max⌋, from 0 to 10.</summary>
    public static int Told(float activation, float max) =>
        max > 0 ? (int)Math.Clamp(MathF.Floor(Scale * activation / max), 0, Scale) : 0;
}
