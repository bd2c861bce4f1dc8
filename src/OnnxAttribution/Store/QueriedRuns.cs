using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>What a query is about.</summary>
/// <param name="Runs">Runs of their own directories.</param>
/// <param name="Datasets">The runs of many prompts each.</param>
internal sealed record QueriedRuns(IReadOnlyList<RunFiles> Runs, IReadOnlyList<DatasetFiles> Datasets)
{
    /// <summary>Absolute paths of all Parquet files.</summary>
    public IEnumerable<string> Parquet => Runs.SelectMany(run => run.Parquet).Concat(Datasets.SelectMany(set => set.All));

    /// <summary>What the datasets and runs are called.</summary>
    public IEnumerable<string> Names => Runs.Select(run => run.Name).Concat(Datasets.Select(set => set.Name));

    /// <summary>Whether any has a further table.</summary>
    public bool Has(string table) =>
        Runs.Any(run => run.Further.ContainsKey(table)) || Datasets.Any(set => set.Files.ContainsKey(table));

    /// <summary>Finds what some paths mean: datasets, and whatever <see cref="RunFiles.Find"/> finds.</summary>
    /// <inheritdoc cref="RunFiles.Find"/>
    public static QueriedRuns Find(IReadOnlyList<string> paths, out IReadOnlyList<string> leftOut)
    {
        var named = paths.SelectMany(path => DatasetNames.Is(path) ? [path] : Below(path)).DistinctBy(RealPath.Of).ToList();
        string[] others = [.. paths.Where(path => !DatasetNames.Is(path) && (Below(path).Length == 0 || RunFiles.AnyIn(path)))];
        leftOut = [];
        var runs = others.Length == 0 ? [] : RunFiles.Find(others, out leftOut);
        var isAlone = named.Count + runs.Count < 2;
        return new(runs, [.. named.Select(path => DatasetFiles.Find(path) with
        {
            Prefix = isAlone ? "" : Path.TrimEndingDirectorySeparator(path) + "/"
        })]);
    }

    private static string[] Below(string path) => !Directory.Exists(path) ? []
        : [.. Directory.EnumerateDirectories(path).Where(DatasetNames.Is).Order(StringComparer.Ordinal)];
}
