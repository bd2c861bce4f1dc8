namespace OnnxAttribution.Store;

/// <summary>A dataset to be queried: the files of its whole parts.</summary>
/// <param name="Name">As it was given.</param>
/// <param name="Files">Absolute paths by table, in the order of the parts; no table without a file.</param>
internal sealed record DatasetFiles(string Name, IReadOnlyDictionary<string, IReadOnlyList<string>> Files)
{
    /// <summary>Finds the files. A dataset that is not whole yet has the parts that are.</summary>
    /// <exception cref="RunDirectoryException">No part is whole, or a file of one is missing, unreadable or cut off.</exception>
    public static DatasetFiles Find(string path)
    {
        var dataset = DatasetDirectory.Read(path);
        var parts = dataset.Parts;
        if (parts.Count == 0) throw RunDirectoryException.NoParts(path);
        var files = DatasetNames.Tables.ToDictionary(table => table,
            table => (IReadOnlyList<string>)[.. parts.Select(part => ParquetFile.Checked(dataset.File(table, part)))]);
        foreach (var table in FurtherTables.Names)
        {
            // a part in which no prompt has the table has no file of it
            string[] some = [.. parts.Select(part => dataset.File(table, part)).Where(File.Exists).Select(ParquetFile.Checked)];
            if (some.Length > 0) files[table] = some;
        }
        return new(path, files);
    }
}
