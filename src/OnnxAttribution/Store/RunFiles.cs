namespace OnnxAttribution.Store;

/// <summary>One run to be queried.</summary>
/// <param name="Name">What the <c>run</c> column says: the directory's name, or the path as given where two runs share a name.</param>
/// <param name="Nodes">Absolute path of nodes.parquet.</param>
/// <param name="Edges">Absolute path of edges.parquet.</param>
/// <param name="Further">Absolute paths of the <see cref="FurtherTables"/> that the run has, by name.</param>
/// <param name="Json">run.json.</param>
internal sealed record RunFiles(string Name, string Nodes, string Edges, IReadOnlyDictionary<string, string> Further, RunFile Json)
{
    /// <summary>Absolute path of the run.</summary>
    public string Directory => Path.GetDirectoryName(Nodes)!;

    /// <summary>Whether this is the mean of many prompts.</summary>
    public bool IsMerged => Json.Record is MergedRunRecord;

    /// <summary>Absolute paths of all Parquet files.</summary>
    public IEnumerable<string> Parquet => [Nodes, Edges, .. Further.Values];

    /// <summary>Finds the runs that some paths mean: each a run directory,
    /// or a directory whose subdirectories are runs (hidden ones do not count, nor the mean of the others, <c>merged</c>).</summary>
    /// <param name="leftOut">Means that were named beside runs of their batch, as people call them:
    /// with them each prompt would count twice.</param>
    /// <exception cref="RunDirectoryException">A path means no run, or a file of a run is missing, unreadable or cut off.</exception>
    public static IReadOnlyList<RunFiles> Find(IReadOnlyList<string> paths, out IReadOnlyList<string> leftOut)
    {
        var named = paths.SelectMany(RunsIn).DistinctBy(run => Path.GetFullPath(MergedRun.Locate(run))).ToList();
        var shared = named.CountBy(NameOf).Where(pair => pair.Value > 1).Select(pair => pair.Key).ToHashSet();
        var runs = named.Select(run => (Path: run, Files: Open(MergedRun.Locate(run), shared.Contains(NameOf(run)) ? run : NameOf(run))))
            .ToList();
        var batches = runs.Where(run => !run.Files.IsMerged).Select(run => MergedRun.BatchOf(run.Files.Directory)).ToHashSet();
        bool IsCounted(RunFiles run) => !run.IsMerged || !batches.Contains(MergedRun.BatchOf(run.Directory));
        leftOut = [.. runs.Where(run => !IsCounted(run.Files)).Select(run => run.Path)];
        return [.. runs.Select(run => run.Files).Where(IsCounted)];
    }

    /// <summary>Whether a path means a run, or some below it.</summary>
    public static bool AnyIn(string path) =>
        File.Exists(Path.Combine(MergedRun.Locate(path), RunNames.RecordFile)) || Below(path).Count > 0;

    private static RunFiles Open(string directory, string name)
    {
        var json = RunFile.Read(Path.Combine(directory, RunNames.RecordFile));
        var further = FurtherTables.Names.Where(table => File.Exists(Path.Combine(directory, FurtherTables.FileIn(directory, table))))
            .ToDictionary(table => table, table => ParquetFile.Checked(directory, FurtherTables.FileIn(directory, table)));
        return new(name, ParquetFile.Checked(directory, RunNames.NodesFile), ParquetFile.Checked(directory, RunNames.EdgesFile),
            further, json);
    }

    /// <summary>The runs that a directory's subdirectories are, in the order of their names; hidden ones do not count.</summary>
    private static IReadOnlyList<string> Below(string path) =>
        !System.IO.Directory.Exists(path) ? [] : [.. System.IO.Directory.EnumerateDirectories(path)
            .Where(directory => !Path.GetFileName(directory).StartsWith('.') && !DatasetNames.Is(directory)
                && File.Exists(Path.Combine(MergedRun.Locate(directory), RunNames.RecordFile)))
            .Order(StringComparer.Ordinal)];

    private static IEnumerable<string> RunsIn(string path)
    {
        if (!System.IO.Directory.Exists(path))
        {
            throw File.Exists(path) ? RunDirectoryException.NoRuns(path) : RunDirectoryException.Missing(path);
        }
        if (File.Exists(Path.Combine(MergedRun.Locate(path), RunNames.RecordFile))) return [MergedRun.Named(path)];
        if (Below(path) is { Count: > 0 } found)
        {
            // else each prompt of a batch would count twice
            string[] runs = [.. found.Where(run => !MergedRun.Is(MergedRun.Locate(run)))];
            return runs.Length > 0 ? runs : found;
        }
        var halfARun = File.Exists(Path.Combine(path, RunNames.NodesFile)) || File.Exists(Path.Combine(path, RunNames.EdgesFile));
        throw halfARun ? RunDirectoryException.Missing(Path.Combine(path, RunNames.RecordFile)) : RunDirectoryException.NoRuns(path);
    }

    private static string NameOf(string directory) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
}
