namespace OnnxAttribution.Store;

/// <summary>In how many prompts' own graphs a feature, a site's error or an edge is kept, at whatever positions.</summary>
internal sealed class KeptCounts
{
    private readonly Dictionary<(string Site, int Feature), int> _nodes = [];
    private readonly Dictionary<((string, int) Up, (string, int)? Down), int> _edges = [];

    private KeptCounts()
    {
    }

    public int Of(string site, int feature) => _nodes.GetValueOrDefault((site, feature));

    /// <param name="down">null: the metric.</param>
    public int Of((string Site, int Feature) up, (string Site, int Feature)? down) => _edges.GetValueOrDefault((up, down));

    /// <summary>Counts them over runs.</summary>
    /// <param name="runs">Run directories; at least one.</param>
    /// <returns>null: the files of one are missing or damaged, so that what is said of all would be wrong.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static KeptCounts? OfRuns(IReadOnlyList<string> runs, CancellationToken cancel)
    {
        string[] Files(string name) => [.. runs.Select(run => Path.GetFullPath(Path.Combine(run, name)))];
        var (nodes, edges) = (Files(RunNames.NodesFile), Files(RunNames.EdgesFile));
        return nodes.All(ParquetFile.IsWhole) && edges.All(ParquetFile.IsWhole) ? Read(ParquetFile.SqlOfEach(nodes),
            ParquetFile.SqlOfEach(edges), "count(DISTINCT filename)::INTEGER", cancel) : null;
    }

    /// <summary>What a dataset's mean says of them.</summary>
    /// <param name="mean">Its run directory.</param>
    /// <param name="prompts">How many prompts it is of.</param>
    /// <returns>null: it does not say it.</returns>
    /// <inheritdoc cref="OfRuns" path="/exception"/>
    public static KeptCounts? OfMean(string mean, int prompts, CancellationToken cancel)
    {
        var (nodes, edges) = (Path.Combine(mean, RunNames.NodesFile), Path.Combine(mean, RunNames.EdgesFile));
        return ParquetFile.IsWhole(nodes) && ParquetFile.IsWhole(edges) ? Read(ParquetFile.Sql(Path.GetFullPath(nodes)),
            ParquetFile.Sql(Path.GetFullPath(edges)), $"round(max(coalesce(share_kept, 0)) * {prompts})::INTEGER", cancel) : null;
    }

    private static KeptCounts? Read(string nodes, string edges, string count, CancellationToken cancel)
    {
        try
        {
            using var database = DuckDbDatabase.OpenInMemory(("temp_directory", Path.Combine(Path.GetTempPath(), "onnx-attribution-read")));
            var result = new KeptCounts();
            using (var rows = database.Query($"SELECT site, feature, {count} FROM {nodes} WHERE kept GROUP BY ALL", cancel))
            {
                while (rows.Read()) result._nodes[(rows.Value<string>(0), rows.Value<int>(1))] = rows.Value<int>(2);
            }
            using (var rows = database.Query($"SELECT up_site, up_feature, down_site, coalesce(down_feature, -1), {count} "
                + $"FROM {edges} WHERE {EdgeTable.AreEdges} GROUP BY ALL", cancel))
            {
                while (rows.Read())
                {
                    var site = rows.Value<string>(2);
                    (string, int)? down = site == RunNames.MetricSite ? null : (site, rows.Value<int>(3));
                    result._edges[((rows.Value<string>(0), rows.Value<int>(1)), down)] = rows.Value<int>(4);
                }
            }
            return result;
        }
        catch (DuckDbException)
        {
            return null;
        }
    }
}
