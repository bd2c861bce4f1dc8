namespace OnnxAttribution.Store;

/// <summary>What a dataset says of its prompts, of which there may be millions.</summary>
/// <param name="First">The first of them, in the order of the file, those without a graph among them.</param>
/// <param name="Count">How many there are.</param>
/// <param name="AreOfOneMetric">Whether all that have a graph have the same target and foil.</param>
/// <param name="Least">Of the metric in the clean run; NaN where none is known.</param>
/// <param name="Most">Likewise.</param>
internal sealed record DatasetPrompts(IReadOnlyList<PromptRow> First, int Count, bool AreOfOneMetric, double Least, double Most)
{
    /// <param name="dataset">Its directory.</param>
    /// <param name="most">Of the first.</param>
    /// <returns>null: no part is there.</returns>
    /// <exception cref="RunDirectoryException">A part is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DatasetPrompts? Of(string dataset, int most, CancellationToken cancel)
    {
        var directory = DatasetDirectory.Read(dataset);
        if (directory.Parts is not { Count: > 0 } parts) return null;
        var first = new List<PromptRow>();
        foreach (var part in parts)
        {
            if (first.Count >= most) break;
            first.AddRange(directory.Rows<PromptRow>(part, cancel).OrderBy(row => row.Line).Take(most - first.Count));
        }
        string[] files = [.. parts.Select(part => ParquetFile.Checked(directory.File(DatasetNames.Prompts, part)))];
        try
        {
            using var database = DuckDbDatabase.OpenInMemory(("temp_directory", Path.Combine(Path.GetTempPath(), "onnx-attribution-read")));
            using var rows = database.Query("SELECT count(*)::INTEGER, count(DISTINCT (coalesce(target, ''), coalesce(foil, ''))) "
                + "FILTER (error IS NULL)::INTEGER, coalesce(min(clean_metric), 'nan')::DOUBLE, coalesce(max(clean_metric), 'nan')::DOUBLE "
                + $"FROM {ParquetFile.Sql(files)}", cancel);
            rows.Read();
            return new(first, rows.Value<int>(0), rows.Value<int>(1) == 1, rows.Value<double>(2), rows.Value<double>(3));
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(files[0], e);
        }
    }
}
