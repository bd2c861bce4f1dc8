using OnnxAttribution.Bundles;

namespace OnnxAttribution.Store;

/// <summary>The view <c>features</c>: the dashboards of the bundles that runs were made with,
/// as far as they are there and of these very bundles.</summary>
internal static class FeatureViews
{
    public const string Name = "features";

    /// <summary>What to say to who asks for the view where there is none.</summary>
    public const string Missing = "No run here has dashboards: the bundle that a run was made with has no features.parquet, "
        + "or one that is damaged or another model's, or is not where it was. "
        + "To make it, collect dashboards from a text.";

    /// <summary>Makes the view, with the model's name as a first column; none where no bundle has a table.
    /// A table that is damaged or of another bundle is passed over: queries about runs do not need it.</summary>
    /// <returns>The files that the view reads.</returns>
    public static IReadOnlyList<string> Create(DuckDbDatabase database, IReadOnlyList<RunFiles> runs, CancellationToken cancel)
    {
        var tables = runs.Select(run => (run.Directory, run.Json.Record))
            .Where(run => run.Record.ModelPath is { Length: > 0 })
            .Select(run =>
                (Model: run.Record.Model ?? "",
                    Path: Path.GetFullPath(Path.Combine(BundlePath.Of(run.Directory, run.Record.ModelPath!), RunNames.FeaturesFile)),
                    Hash: run.Record.BundleSha256))
            .Distinct()
            .Where(b => File.Exists(b.Path) && HashIn(database, b.Path, cancel) == b.Hash)
            .ToList();
        if (tables.Count == 0) return [];
        try
        {
            var selects = tables.Select(t => $"SELECT {SqlText.Literal(t.Model)} AS model, * FROM {ParquetFile.Sql(t.Path)}");
            database.Execute($"CREATE VIEW {Name} AS {string.Join("\nUNION ALL BY NAME\n", selects)}", cancel);
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
