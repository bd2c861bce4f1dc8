using OnnxAttribution.Bundles;

namespace OnnxAttribution.Store;

/// <summary>The views <c>features</c> and <c>labels</c>: the dashboards and the labels of the bundles that runs were made
/// with, as far as they are there and of these very bundles.</summary>
internal static class FeatureViews
{
    public const string Name = "features", LabelsName = "labels";

    /// <summary>What to say to who asks for labels where there are none.</summary>
    public const string MissingLabels = "No run here has labels: the bundle that a run was made with has no labels.parquet, "
        + "or one that is damaged or another model's, or is not where it was. To make it, import labels.";

    /// <summary>What to say to who asks for dashboards where there are none.</summary>
    public const string Missing = "No run here has dashboards: the bundle that a run was made with has no features.parquet, "
        + "or one that is damaged or another model's, or is not where it was. "
        + "To make it, collect dashboards from a text.";

    /// <summary>Makes the views, with the model's name as a first column; none where no bundle has a table.
    /// A table that is damaged or of another bundle is passed over: queries about runs do not need it.</summary>
    /// <returns>The files that the views read.</returns>
    public static IReadOnlyList<string> Create(DuckDbDatabase database, IReadOnlyList<RunFiles> runs, CancellationToken cancel) =>
    [
        .. Create(database, runs, Name, RunNames.FeaturesFile, cancel),
        .. Create(database, runs, LabelsName, RunNames.LabelsFile, cancel),
    ];

    private static IReadOnlyList<string> Create(DuckDbDatabase database, IReadOnlyList<RunFiles> runs, string name, string file,
        CancellationToken cancel)
    {
        var tables = runs.Select(run => (run.Directory, run.Json.Record))
            .Where(run => run.Record.ModelPath is { Length: > 0 })
            .Select(run =>
                (Model: run.Record.Model ?? "",
                    Path: Path.GetFullPath(Path.Combine(BundlePath.Of(run.Directory, run.Record.ModelPath!), file)),
                    Hash: run.Record.BundleSha256))
            .Distinct()
            .Where(b => File.Exists(b.Path) && HashIn(database, b.Path, cancel) == b.Hash)
            .ToList();
        if (tables.Count == 0) return [];
        try
        {
            var selects = tables.Select(t => $"SELECT {SqlText.Literal(t.Model)} AS model, * FROM {ParquetFile.Sql(t.Path)}");
            database.Execute($"CREATE VIEW {name} AS {string.Join("\nUNION ALL BY NAME\n", selects)}", cancel);
        }
        catch (DuckDbException)
        {
            return [];
        }
        return [.. tables.Select(t => t.Path)];
    }

    private static string? HashIn(DuckDbDatabase database, string file, CancellationToken cancel)
    {
        try
        {
            using var rows =
                database.Query($"SELECT decode(value) FROM {ParquetFile.SqlOfMetadata(file)} WHERE decode(key) = 'bundle_sha256'", cancel);
            return rows.Read() ? rows.Text(0) : null;
        }
        catch (DuckDbException)
        {
            return null;
        }
    }
}
