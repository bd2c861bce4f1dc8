using OnnxAttribution.Clusters;

namespace OnnxAttribution.Store;

/// <summary>A dataset's circuits as sparse vectors: each prompt's kept features with their effects, summed over positions and, where asked
/// for, its edges. Error nodes are no features, and are left out.</summary>
internal sealed class DatasetVectors
{
    private readonly Dictionary<(string, int), int> _nodes = [];
    private readonly Dictionary<(string, int, string, int), int> _edges = [];
    private readonly Dictionary<string, string> _interned = [];
    private readonly List<(string? Site, int Feature)> _columns = [];
    private readonly List<PromptRow> _prompts = [], _empty = [];
    private readonly List<double> _scales = [];

    private DatasetVectors()
    {
    }

    /// <summary>One for each of <see cref="Prompts"/>.</summary>
    public UnitVectors Rows { get; } = new();

    /// <summary>The prompts that kept features, in the file's order.</summary>
    public IReadOnlyList<PromptRow> Prompts => _prompts;

    /// <summary>Prompts with a graph that kept none.</summary>
    public IReadOnlyList<PromptRow> Empty => _empty;

    /// <summary>What a column of the vectors is; an edge's has no site.</summary>
    public IReadOnlyList<(string? Site, int Feature)> Columns => _columns;

    /// <summary>What a value of a prompt's vector is multiplied by to be the node's effect.</summary>
    public IReadOnlyList<double> Scales => _scales;

    /// <summary>Reads a dataset, part by part.</summary>
    /// <param name="withEdges">Edges count as much as nodes: each half of a vector is made as long as the other.</param>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DatasetVectors Read(string dataset, bool withEdges, IProgress<string>? progress, CancellationToken cancel)
    {
        var (files, vectors) = (DatasetFiles.Find(dataset), new DatasetVectors());
        var (prompts, nodes, edges) = (files.Files[DatasetNames.Prompts], files.Files[DatasetNames.Nodes], files.Files[DatasetNames.Edges]);
        // one thread: sums of floats are then the same each time
        using var database = DuckDbDatabase.OpenInMemory(("temp_directory", Path.Combine(Path.GetTempPath(), "onnx-attribution-cluster")),
            ("threads", "1"));
        for (var part = 0; part < prompts.Count; part++)
        {
            progress?.Report($"reading part {part + 1} of {prompts.Count}");
            vectors.Add(prompts[part], vectors.Nodes(database, nodes[part], cancel),
                withEdges ? vectors.Edges(database, edges[part], cancel) : null, cancel);
        }
        return vectors;
    }

    /// <summary>A dataset's prompts that have a graph, in the file's order.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static IReadOnlyList<PromptRow> PromptsOf(string dataset, CancellationToken cancel) =>
        [.. DatasetFiles.Find(dataset).Files[DatasetNames.Prompts].SelectMany(file => PromptsIn(file, cancel))];

    private static IEnumerable<PromptRow> PromptsIn(string file, CancellationToken cancel)
    {
        try
        {
            return RowTable.Read<PromptRow>(StoredTable.Load(file, PromptRow.Columns, cancel), file).Where(row => row.Error is null);
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }

    private void Add(string file, Dictionary<string, SparseRow> nodes, Dictionary<string, SparseRow>? edges, CancellationToken cancel)
    {
        foreach (var prompt in PromptsIn(file, cancel))
        {
            if (!nodes.TryGetValue(prompt.Run, out var own) || own.Length == 0)
            {
                _empty.Add(prompt);
                continue;
            }
            var (columns, values) = (own.Columns.ToList(), own.Values.Select(v => (float)(v / own.Length)).ToList());
            var scale = own.Length;
            if (edges is not null && edges.TryGetValue(prompt.Run, out var more) && more.Length > 0)
            {
                columns.AddRange(more.Columns);
                values.AddRange(more.Values.Select(v => (float)(v / more.Length)));
                scale *= Math.Sqrt(2);
            }
            Rows.Add([.. columns], [.. values]);
            _prompts.Add(prompt);
            _scales.Add(scale);
        }
    }

    private Dictionary<string, SparseRow> Nodes(DuckDbDatabase database, string file, CancellationToken cancel) => Read(database, file,
        $"SELECT run, {NodeTable.Site}, {NodeTable.Feature}, sum({NodeTable.Effect})::FLOAT FROM {ParquetFile.Sql(file)} "
            + $"WHERE {NodeTable.Kept} AND {NodeTable.Feature} >= 0 AND isfinite({NodeTable.Effect}) GROUP BY ALL ORDER BY ALL",
        rows => Column(_nodes, (Interned(rows.Value<string>(1)), rows.Value<int>(2)), key => key), cancel);

    private Dictionary<string, SparseRow> Edges(DuckDbDatabase database, string file, CancellationToken cancel) => Read(database, file,
        "SELECT run, up_site, up_feature, down_site, coalesce(down_feature, -1) AS down, sum(effect)::FLOAT FROM "
            + $"{ParquetFile.Sql(file)} WHERE up_feature >= 0 AND (down_feature >= 0 OR down_site = '{RunNames.MetricSite}') "
            + "AND isfinite(effect) GROUP BY ALL ORDER BY ALL",
        rows => Column(_edges, (Interned(rows.Value<string>(1)), rows.Value<int>(2), Interned(rows.Value<string>(3)), rows.Value<int>(4)),
            _ => (null, 0)), cancel);

    private static Dictionary<string, SparseRow> Read(DuckDbDatabase database, string file, string sql, Func<DuckDbRows, int> column,
        CancellationToken cancel)
    {
        var vectors = new Dictionary<string, SparseRow>(StringComparer.Ordinal);
        try
        {
            using var rows = database.Query(sql, cancel);
            var value = rows.Columns.Length - 1;
            while (rows.Read())
            {
                if (rows.IsNull(value) || rows.Value<float>(value) == 0) continue;
                var run = rows.Value<string>(0);
                if (!vectors.TryGetValue(run, out var vector)) vectors[run] = vector = new([], []);
                vector.Columns.Add(column(rows));
                vector.Values.Add(rows.Value<float>(value));
            }
            return vectors;
        }
        catch (Exception e) when (e is DuckDbException or InvalidCastException)
        {
            throw e is DuckDbException why ? RunDirectoryException.Corrupt(file, why)
                : RunDirectoryException.Corrupt(file, "NULL stands where a node or edge has a value");
        }
    }

    private int Column<TKey>(Dictionary<TKey, int> known, TKey key, Func<TKey, (string?, int)> described) where TKey : notnull
    {
        if (known.TryGetValue(key, out var column)) return column;
        _columns.Add(described(key));
        return known[key] = _columns.Count - 1;
    }

    private string Interned(string text) => _interned.TryGetValue(text, out var known) ? known : _interned[text] = text;

    private sealed record SparseRow(List<int> Columns, List<float> Values)
    {
        public double Length => Math.Sqrt(Values.Sum(v => (double)v * v));
    }
}
