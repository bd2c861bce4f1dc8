namespace OnnxAttribution.Store;

/// <summary>What the parts of a dataset have left for its mean, read as one, in the order of the parts: the result does not depend on who
/// wrote which.</summary>
/// <remarks>DuckDB adds up, on one thread and out of core.</remarks>
internal sealed class DatasetSums(DatasetDirectory dataset, CancellationToken cancel)
{
    private const string KeptTable = "kept";

    /// <summary>Lines of prompts that have a graph, ascending, and means of their metric in the clean and the patch run, in the metric's
    /// unit; NaN where there is none.</summary>
    /// <exception cref="RunDirectoryException">A part is missing or damaged.</exception>
    public (int[] Lines, double CleanMetric, double PatchMetric) Prompts() => Reading(DatasetNames.Prompts, (database, files) =>
    {
        var lines = new List<int>();
        using (var rows = database.Query($"SELECT line FROM {files} WHERE error IS NULL ORDER BY line", cancel))
        {
            while (rows.Read()) lines.Add(rows.Value<int>(0));
        }
        using var means = database.Query("SELECT coalesce(avg(coalesce(clean_metric, 'nan')::DOUBLE), 'nan'), "
            + $"coalesce(avg(coalesce(patch_metric, 'nan')::DOUBLE), 'nan') FROM {files} WHERE error IS NULL", cancel);
        means.Read();
        return (lines.ToArray(), means.Value<double>(0), means.Value<double>(1));
    });

    /// <summary>The nodes' sums over all prompts, in no order.</summary>
    /// <inheritdoc cref="Prompts" path="/exception"/>
    public IReadOnlyList<NodeSumRow> Nodes() => Reading(DatasetNames.NodeSums, (database, files) =>
    {
        string[] sums = ["activation", "patch_activation", "effect", "attribution", "exact", "squared_error"];
        using var rows = database.Query("SELECT site, feature, sum(active)::INTEGER, sum(kept)::INTEGER, "
            + string.Concat(sums.Select(s => $"sum(coalesce({s}, 'nan')), "))
            + $"CASE WHEN min(method) = max(method) THEN min(method) ELSE 'mixed' END FROM {files} GROUP BY site, feature", cancel);
        var (nodes, texts) = (new List<NodeSumRow>(), new Dictionary<string, string>());
        while (rows.Read())
        {
            nodes.Add(new NodeSumRow(Interned(rows, 0, texts), rows.Value<int>(1))
            {
                Active = rows.Value<int>(2),
                Kept = rows.Value<int>(3),
                Activation = rows.Value<double>(4),
                PatchActivation = rows.Value<double>(5),
                Effect = rows.Value<double>(6),
                Attribution = rows.Value<double>(7),
                Exact = rows.Value<double>(8),
                SquaredError = rows.Value<double>(9),
                Method = Interned(rows, 10, texts),
            });
        }
        return nodes;
    });

    /// <summary>The edges' sums over all prompts, in no order; <see cref="EdgeSumRow.Line"/> is how many prompts have the edge.</summary>
    /// <inheritdoc cref="Prompts" path="/exception"/>
    public IReadOnlyList<EdgeSumRow> Edges() => Reading(DatasetNames.EdgeSums, (database, files) =>
    {
        using var rows = database.Query("SELECT count(*)::INTEGER, up_site, up_feature, down_site, down_feature, sum(effect) "
            + $"FROM {files} GROUP BY ALL", cancel);
        var (edges, texts) = (new List<EdgeSumRow>(), new Dictionary<string, string>());
        while (rows.Read())
        {
            edges.Add(new(rows.Value<int>(0), Interned(rows, 1, texts), rows.Value<int>(2), Interned(rows, 3, texts), rows.Value<int>(4),
                rows.Value<double>(5)));
        }
        return edges;
    });

    /// <summary>The prompts' effects of some nodes or edges.</summary>
    /// <param name="table"><see cref="DatasetNames.Effects"/> or <see cref="DatasetNames.EdgeSums"/>.</param>
    /// <param name="kept">What names each: columns of the table.</param>
    /// <param name="found">Given the row of <paramref name="kept"/>, ascending, the prompt's line, ascending, and the effect.</param>
    /// <inheritdoc cref="Prompts" path="/exception"/>
    public void Effects(string table, StoredTable kept, Action<int, int, double> found) => Reading(table, (database, files) =>
    {
        Create(database, kept);
        using var rows = database.Query($"SELECT kept.place, sums.line, sums.effect FROM {files} AS sums JOIN {KeptTable} "
            + $"USING ({string.Join(", ", kept.Columns.Select(c => c.Name))}) ORDER BY kept.place, sums.line", cancel);
        while (rows.Read()) found(rows.Value<int>(0), rows.Value<int>(1), rows.Value<double>(2));
        return true;
    });

    /// <summary>In how many prompts' own graphs some edges are kept, at whatever positions.</summary>
    /// <param name="kept">As <see cref="EdgeSumRow"/> names edges.</param>
    /// <returns>By row of <paramref name="kept"/>.</returns>
    /// <inheritdoc cref="Prompts" path="/exception"/>
    public int[] PromptsThatKeep(StoredTable kept) => Reading(DatasetNames.Edges, (database, files) =>
    {
        Create(database, kept);
        var counts = new int[kept.Count];
        using var rows = database.Query("SELECT kept.place, count(DISTINCT run)::INTEGER FROM (SELECT run, up_site, up_feature, down_site, "
            + $"coalesce(down_feature, -1) AS down_feature FROM {files}) JOIN {KeptTable} "
            + "USING (up_site, up_feature, down_site, down_feature) GROUP BY kept.place", cancel);
        while (rows.Read()) counts[rows.Value<int>(0)] = rows.Value<int>(1);
        return counts;
    });

    private void Create(DuckDbDatabase database, StoredTable kept)
    {
        var (next, name) = (0, database.Unique("kept_rows"));
        using var source = new DuckDbSource(database, name, kept.Shape, vectors =>
        {
            var rows = kept.Fill(vectors, next);
            next += rows;
            return rows;
        });
        source.Execute(database,
            $"CREATE TABLE {KeptTable} AS SELECT (row_number() OVER () - 1)::INTEGER AS place, * FROM {name}()", cancel);
    }

    private T Reading<T>(string table, Func<DuckDbDatabase, string, T> read) => dataset.Reading(
        [.. Enumerable.Range(0, dataset.Record.Parts).Select(part => dataset.File(table, part))],
        (database, files) => read(database, ParquetFile.Sql(files)));

    private static string Interned(DuckDbRows rows, int column, Dictionary<string, string> texts)
    {
        var text = rows.Value<string>(column);
        return texts.TryGetValue(text, out var same) ? same : texts[text] = text;
    }
}
