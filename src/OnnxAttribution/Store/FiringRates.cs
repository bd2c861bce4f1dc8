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
        if (FileOf(bundle, bundleSha256, cancel) is not { } file) return sums;
        Read(file, "site, sum(firing_rate) FROM {0} GROUP BY site", row => sums[row.Value<string>(0)] = row.Value<double>(1), cancel);
        return sums;
    }

    /// <summary>The firing rates of some features, by hook name and feature, without those that the file leaves out; null where the bundle
    /// has no such file, or one of another bundle.</summary>
    /// <param name="features">Each once.</param>
    /// <inheritdoc cref="Of" path="/param"/>
    /// <inheritdoc cref="Of" path="/exception"/>
    public static IReadOnlyDictionary<(string Site, int Feature), float>? OfFeatures(string bundle, string bundleSha256,
        IReadOnlyCollection<(string Site, int Feature)> features, CancellationToken cancel)
    {
        if (FileOf(bundle, bundleSha256, cancel) is not { } file) return null;
        var rates = new Dictionary<(string, int), float>();
        var wanted = features.ToLookup(f => f.Site, f => f.Feature);
        if (wanted.Count == 0) return rates;
        var conditions = wanted.Select(site => $"(site = {SqlText.Literal(site.Key)} AND feature IN ({string.Join(", ", site.Order())}))");
        Read(file, $"site, feature, CAST(firing_rate AS FLOAT) FROM {{0}} WHERE {string.Join(" OR ", conditions)}",
            row => rates[(row.Value<string>(0), row.Value<int>(1))] = row.Value<float>(2), cancel);
        return rates;
    }

    private static string? FileOf(string bundle, string bundleSha256, CancellationToken cancel)
    {
        var file = Path.GetFullPath(Path.Combine(bundle, RunNames.FeaturesFile));
        return File.Exists(file) && string.Equals(NestedParquet.Facts(file, cancel).GetValueOrDefault("bundle_sha256"), bundleSha256,
            StringComparison.OrdinalIgnoreCase) ? file : null;
    }

    private static void Read(string file, string columns, Action<DuckDbRows> each, CancellationToken cancel)
    {
        try
        {
            using var database = DuckDbLender.Lend(ParquetFile.Spill);
            using var rows = database.Query($"SELECT {columns.Replace("{0}", ParquetFile.Sql(file))}", cancel);
            while (rows.Read()) each(rows);
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }
}
