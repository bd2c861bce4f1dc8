namespace OnnxAttribution.Bench;

/// <summary>A row per benchmark, for a page on which speed is one thing among others.</summary>
internal static class SpeedSummary
{
    private const string SlowQuery = "edges_into_feature";

    /// <param name="files">Records of graphs, batches and datasets, of one machine and one shape.</param>
    public static string Of(IReadOnlyList<string> files)
    {
        var rows = files.SelectMany(file => Path.GetFileName(file).Split('-')[0] switch
        {
            "graph" => Of(RecordFile.Read<GraphRecord>(file)),
            "batch" => Of(RecordFile.Read<BatchRecord>(file)),
            "dataset" => Of(RecordFile.Read<DatasetSpeedRecord>(file)),
            _ => throw new FormatException($"{file} is no record of graphs, of a batch or of a dataset"),
        }).ToArray();
        return SpeedTables.Table(["", "time", "times its floor", "peak memory"], rows);
    }

    // of a short prompt the start is most of it
    private static IEnumerable<string[]> Of(GraphRecord r)
    {
        yield return [$"a prompt of {r.Setting.Tokens:N0} tokens, model loaded", SpeedTables.Time(r.Median), $"{r.Ratio:f1}",
            SpeedTables.Memory(r.PeakMemoryBytes)];
        if (r.ProcessSeconds > 0 && r.Setting.Tokens < 64)
        {
            yield return ["the same from the program's start to Parquet", SpeedTables.Time(r.ProcessSeconds), "–", "–"];
        }
    }

    private static IEnumerable<string[]> Of(BatchRecord r) => [[$"a prompt of {r.Setting.Tokens:N0} tokens, of {r.Prompts} side by side",
        SpeedTables.Time(r.Median), $"{r.Ratio:f1}", SpeedTables.Memory(r.PeakMemoryBytes)]];

    private static IEnumerable<string[]> Of(DatasetSpeedRecord r) =>
        [[$"all edges into a feature, among {(long)r.Prompts * r.EdgesPerPrompt:N0} edges of {r.Prompts:N0} prompts",
            SpeedTables.Time(Figures.Median(r.QuerySeconds[SlowQuery])), "–", "–"]];
}
