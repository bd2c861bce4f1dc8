using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Reads the two Parquet files of a run, streaming. Owns a database in memory; who makes it disposes it.</summary>
internal sealed class RunReader : IDisposable
{
    private const string NodeColumns = """
        site::VARCHAR, layer::INTEGER, kind::VARCHAR, position::INTEGER, token::VARCHAR, feature::INTEGER, activation::FLOAT,
        patch_activation::FLOAT, coalesce(gradient, 'nan')::FLOAT, effect::FLOAT, kept::BOOLEAN
        """;

    // A site that no node has becomes NULL, and so an error below.
    private const string EdgeColumns = """
        TRY_CAST(up_site AS site), up_position::INTEGER, up_feature::INTEGER, TRY_CAST(down_site AS site), down_position::INTEGER,
        down_feature::INTEGER, coalesce(jacobian, 'nan')::FLOAT, effect::FLOAT
        """;

    private readonly DuckDbDatabase _database;
    private readonly DuckDbConnection _connection;

    public RunReader()
    {
        // Nothing here exceeds memory_limit, so the directory is never made; without the setting DuckDB would look into ./.tmp.
        _database = DuckDbDatabase.OpenInMemory(("temp_directory", Path.Combine(Path.GetTempPath(), "onnx-attribution-read")));
        _connection = _database.Connect();
    }

    /// <summary>The nodes in the file's order.</summary>
    /// <exception cref="DuckDbException">The file is damaged, lacks a column, or has NULL where a value belongs.</exception>
    public List<NodeRow> ReadNodes(string file, CancellationToken cancellation)
    {
        using var result = _connection.Query($"SELECT {NodeColumns} FROM {ParquetFile.Sql(file)}", cancellation);
        var nodes = new List<NodeRow>();
        var interned = new Dictionary<string, string>();
        while (result.Fetch(cancellation) is { } fetched)
        {
            using var chunk = fetched;
            RequireValues(chunk, result.Columns.Length, "a node");
            for (int row = 0; row < chunk.Rows; row++)
                nodes.Add(ReadNode(chunk, row, interned));
        }
        return nodes;
    }

    /// <summary>The edges in the file's order, their ends as indices into <paramref name="nodes"/>.</summary>
    /// <returns>The edges, and the metric's position if an edge leads into it.</returns>
    /// <exception cref="DuckDbException">As in <see cref="ReadNodes"/>, or an edge ends at a node that is not in the list.</exception>
    public (CausalEdge[] Edges, int? MetricPosition) ReadEdges(string file, List<NodeRow> nodes, CancellationToken cancellation)
    {
        var ends = EdgeEnds.Of(nodes, metricPosition: 0);
        var index = new NodeIndex(nodes, ends);
        SiteType.Create(_connection, ends.Sites);
        var edges = new CausalEdge[CountRows(file, cancellation)];
        int read = 0;
        int? metricPosition = null;
        using var result = _connection.Query($"SELECT {EdgeColumns} FROM {ParquetFile.Sql(file)}", cancellation);
        while (result.Fetch(cancellation) is { } fetched)
        {
            using var chunk = fetched;
            RequireValues(chunk, result.Columns.Length, "an edge");
            metricPosition = ReadEdges(chunk, index, edges.AsSpan(read, chunk.Rows)) ?? metricPosition;
            read += chunk.Rows;
        }
        return (edges, metricPosition);
    }

    public void Dispose()
    {
        _connection.Dispose();
        _database.Dispose();
    }

    private static int? ReadEdges(DuckDbChunk chunk, NodeIndex index, Span<CausalEdge> edges)
    {
        int? metricPosition = null;
        int down = CausalEdge.Metric;
        var upSite = chunk.Codes(0);
        var downSite = chunk.Codes(3);
        var upPosition = chunk.Values<int>(1);
        var upFeature = chunk.Values<int>(2);
        var downPosition = chunk.Values<int>(4);
        var downFeature = chunk.Values<int>(5);
        var jacobian = chunk.Values<float>(6);
        var effect = chunk.Values<float>(7);
        for (int row = 0; row < edges.Length; row++)
        {
            int up = index.Find(upSite[row], upPosition[row], upFeature[row]);
            if (row == 0 || (downSite[row], downPosition[row], downFeature[row]) != (downSite[row - 1], downPosition[row - 1], downFeature[row - 1]))
                down = index.Find(downSite[row], downPosition[row], downFeature[row]);   // sorted by it: mostly the same as above
            if (down == CausalEdge.Metric)
                metricPosition = downPosition[row];
            edges[row] = new CausalEdge(up, down, jacobian[row], effect[row]);
        }
        return metricPosition;
    }

    private static NodeRow ReadNode(DuckDbChunk chunk, int row, Dictionary<string, string> interned)
    {
        return new NodeRow(Text(0), chunk.Values<int>(1)[row], Text(2), chunk.Values<int>(3)[row], Text(4), chunk.Values<int>(5)[row],
            chunk.Values<float>(6)[row], chunk.Values<float>(7)[row], chunk.Values<float>(8)[row], chunk.Values<float>(9)[row],
            chunk.Values<byte>(10)[row] != 0);

        string Text(int column)   // the same few sites, kinds and tokens come thousands of times
        {
            string text = chunk.Text(column, row)!;
            return interned.TryGetValue(text, out var same) ? same : interned[text] = text;
        }
    }

    private long CountRows(string file, CancellationToken cancellation)
    {
        using var result = _connection.Query($"SELECT count(*) FROM {ParquetFile.Sql(file)}", cancellation);
        using var chunk = result.Fetch(cancellation)!;
        return chunk.Values<long>(0)[0];
    }

    private static void RequireValues(DuckDbChunk chunk, int columns, string what)
    {
        for (int column = 0; column < columns; column++)
            for (int row = 0; chunk.HasNulls(column) && row < chunk.Rows; row++)
                if (chunk.IsNull(column, row))
                    throw new DuckDbException($"column {column + 1} of {what} is NULL, or names a site that no node has");
    }
}
