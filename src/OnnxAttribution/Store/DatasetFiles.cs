namespace OnnxAttribution.Store;

/// <summary>A dataset to be queried: the files of its whole parts.</summary>
/// <param name="Name">As it was given.</param>
/// <param name="Files">Absolute paths by table, in the order of the parts; no table without a file.</param>
internal sealed record DatasetFiles(string Name, IReadOnlyDictionary<string, IReadOnlyList<string>> Files)
{
    /// <summary>What stands before its prompts' ids where the query is about other runs too; empty where it is not.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>The mean's files by the names of their views, <c>mean_nodes</c> and <c>mean_edges</c>; empty while there is none.</summary>
    public IReadOnlyDictionary<string, string> Mean { get; private init; } = new Dictionary<string, string>();

    /// <summary>What is wrong with a mean that is there and not whole; null: nothing, or there is none.</summary>
    public RunDirectoryException? FaultOfMean { get; private init; }

    /// <summary>Absolute paths of all files.</summary>
    public IEnumerable<string> All => Files.Values.SelectMany(files => files).Concat(Mean.Values);

    /// <summary>The rows of a table in SQL.</summary>
    public string Rows(string table) => Prefix.Length == 0 ? $"FROM {ParquetFile.Sql(Files[table])}"
        : $"SELECT {SqlText.Literal(Prefix)} || run AS run, * EXCLUDE (run) FROM {ParquetFile.Sql(Files[table])}";

    /// <summary>Finds the files. A dataset that is not whole yet has the parts that are; a mean that is damaged is passed over.</summary>
    /// <exception cref="RunDirectoryException">No part is whole, or a file of one is missing, unreadable or cut off.</exception>
    public static DatasetFiles Find(string path)
    {
        var dataset = DatasetDirectory.Read(path);
        var parts = dataset.Parts;
        if (parts.Count == 0) throw RunDirectoryException.NoParts(path);
        var files = DatasetNames.Tables.ToDictionary(table => table,
            table => (IReadOnlyList<string>)[.. parts.Select(part => Checked(dataset.File(table, part)))]);
        foreach (var table in FurtherTables.Names)
        {
            // a part in which no prompt has the table has no file of it
            string[] some = [.. parts.Select(part => dataset.File(table, part)).Where(File.Exists).Select(Checked)];
            if (some.Length > 0) files[table] = some;
        }
        var fault = dataset.FaultOfMean();
        return new(path, files)
        {
            FaultOfMean = fault,
            Mean = fault is not null || !dataset.HasMean ? new Dictionary<string, string>() : new Dictionary<string, string>
            {
                [DatasetNames.MeanNodes] = ParquetFile.Checked(dataset.Mean, RunNames.NodesFile),
                [DatasetNames.MeanEdges] = ParquetFile.Checked(dataset.Mean, RunNames.EdgesFile),
            }
        };
    }

    private static string Checked(string file)
    {
        try
        {
            return ParquetFile.Checked(file);
        }
        catch (RunDirectoryException e)
        {
            throw RunDirectoryException.DamagedPart(file, e);
        }
    }
}
