namespace OnnxAttribution.Store;

/// <summary>What a bundle's <c>features.parquet</c> says of how many features of each site are active on a token.</summary>
internal static class FiringRates
{
    /// <summary>The sum of each site's firing rates, by hook name: its mean number of active features a token, BOS not counted. Empty where
    /// the bundle has no such file, or one of another bundle.</summary>
    /// <param name="bundle">The bundle's directory.</param>
    /// <param name="bundleSha256">Of its bundle.json.</param>
    /// <exception cref="RunDirectoryException">The file is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyDictionary<string, double> Of(string bundle, string bundleSha256, CancellationToken cancel)
    {
        var sums = new Dictionary<string, double>();
        var file = Path.GetFullPath(Path.Combine(bundle, RunNames.FeaturesFile));
        if (!File.Exists(file) || !string.Equals(NestedParquet.Facts(file, cancel).GetValueOrDefault("bundle_sha256"), bundleSha256,
            StringComparison.OrdinalIgnoreCase))
        {
            return sums;
        }
        try
        {
            using var database = DuckDbLender.Lend(ParquetFile.Spill);
            using var rows = database.Query($"SELECT site, sum(firing_rate) FROM {ParquetFile.Sql(file)} GROUP BY site", cancel);
            while (rows.Read()) sums[rows.Value<string>(0)] = rows.Value<double>(1);
            return sums;
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }
}
