using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Reads the two Parquet files of a run, streaming. Owns a database in memory; who makes it disposes it.</summary>
internal sealed class RunReader : IDisposable
{
    private const string NodeColumns = """
        site::VARCHAR, layer::INTEGER, kind::VARCHAR, position::INTEGER, token::VARCHAR, feature::INTEGER, activation::FLOAT,
        patch_activation::FLOAT, coalesce(gradient, 'nan')::FLOAT, coalesce(effect, 'nan')::FLOAT, kept::BOOLEAN
        """;

    // A site that no node has becomes NULL, and so an error below. The metric has no feature; older runs say −1.
    private const string EdgeColumns = $"""
        enum_code(TRY_CAST(up_site AS site))::INTEGER, up_position::INTEGER, up_feature::INTEGER,
        enum_code(TRY_CAST(down_site AS site))::INTEGER, down_position::INTEGER,
        CASE WHEN down_site = '{RunNames.MetricSite}' THEN -1 ELSE down_feature::INTEGER END,
        coalesce(jacobian, 'nan')::FLOAT, effect::FLOAT
        """;

    private const int LeastRoom = 1 << 16;

    private readonly DuckDbDatabase _database;

    public RunReader()
    {
        // Nothing here exceeds memory_limit, so the directory is never made; without the setting DuckDB would look into ./.tmp.
        _database = DuckDbDatabase.OpenInMemory(("temp_directory", Path.Combine(Path.GetTempPath(), "onnx-attribution-read")));
    }

    /// <summary>The nodes in the file's order.</summary>
    /// <exception cref="DuckDbException">The file is damaged, lacks a column, or has NULL where a value belongs.</exception>
    public List<NodeRow> ReadNodes(string file, CancellationToken cancel)
    {
        using var rows = _database.Query($"SELECT {NodeColumns} FROM {ParquetFile.Sql(file)}", cancel);
        var nodes = new List<NodeRow>();
        var interned = new Dictionary<string, string>();
        while (rows.Read()) nodes.Add(Whole("a node", () => ReadNode(rows, interned)));
        return nodes;
    }

    /// <summary>The edges in the file's order, their ends as indices into <paramref name="nodes"/>.</summary>
    /// <returns>The edges, and the metric's position if an edge leads into it.</returns>
    /// <exception cref="DuckDbException">As in <see cref="ReadNodes"/>, or an edge ends at a node that is not in the list.</exception>
    public (CausalEdge[] Edges, int? MetricPosition) ReadEdges(string file, List<NodeRow> nodes, CancellationToken cancel)
    {
        var ends = EdgeKeys.Of(nodes, metricPosition: 0);
        var index = new NodeIndex(nodes, ends);
        SiteType.Create(_database, ends.Sites);
        // real edges take more than a byte each; what a damaged footer claims is not believed
        var count = Math.Min(CountRows(file, cancel), Math.Max(LeastRoom, new FileInfo(file).Length));
        using var rows = _database.Query($"SELECT {EdgeColumns} FROM {ParquetFile.Sql(file)}", cancel);
        return Whole("an edge", () => ReadEdges(rows, index, new CausalEdge[count]));
    }

    public void Dispose() => _database.Dispose();

    private static (CausalEdge[] Edges, int? MetricPosition) ReadEdges(DuckDbRows rows, NodeIndex index, CausalEdge[] edges)
    {
        int? metricPosition = null;
        var down = CausalEdge.Metric;
        (int, int, int) last = default;
        var read = 0;
        for (; rows.Read(); read++)
        {
            if (read == edges.Length) Array.Resize(ref edges, (int)Math.Min(2L * read + 1, Array.MaxLength));
            var up = index.Find(rows.Value<int>(0), rows.Value<int>(1), rows.Value<int>(2));
            (int Site, int Position, int Feature) end = (rows.Value<int>(3), rows.Value<int>(4), rows.Value<int>(5));
            if (read == 0 || end != last)
            {
                down = index.Find(end.Site, end.Position, end.Feature);   // sorted by it: mostly the same as above
            }
            if (down == CausalEdge.Metric) metricPosition = end.Position;
            edges[read] = new CausalEdge(up, down, rows.Value<float>(6), rows.Value<float>(7));
            last = end;
        }
        Array.Resize(ref edges, read);   // does nothing but for a file that lies
        return (edges, metricPosition);
    }

    private static NodeRow ReadNode(DuckDbRows rows, Dictionary<string, string> interned)
    {
        return new NodeRow(Text(0), rows.Value<int>(1), Text(2), rows.Value<int>(3), Text(4), rows.Value<int>(5),
            rows.Value<float>(6), rows.Value<float>(7), rows.Value<float>(8), rows.Value<float>(9), rows.Value<bool>(10));

        string Text(int column)   // the same few sites, kinds and tokens come thousands of times
        {
            var text = rows.Value<string>(column);
            return interned.TryGetValue(text, out var same) ? same : interned[text] = text;
        }
    }

    private long CountRows(string file, CancellationToken cancel)
    {
        using var rows = _database.Query($"SELECT count(*) FROM {ParquetFile.Sql(file)}", cancel);
        return rows.Read() ? rows.Value<long>(0) : 0;
    }

    /// <summary>DuckDB.NET refuses to read a NULL as a value.</summary>
    private static T Whole<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidCastException e)
        {
            throw new DuckDbException($"a column of {what} is NULL, or names a site that no node has", e);
        }
    }
}
