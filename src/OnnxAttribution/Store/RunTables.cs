using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Copies the tables of a run from our memory to Parquet. Owns a database in memory; who makes it disposes it.</summary>
/// <remarks>DuckDB reads the rows where they lie and keeps their order;
/// sites are an ENUM on the way and plain VARCHAR in the file.</remarks>
internal sealed class RunTables : IDisposable
{
    private const string NodeShape = """
        NULL::VARCHAR AS site, NULL::INTEGER AS layer, NULL::VARCHAR AS kind, NULL::INTEGER AS position, NULL::VARCHAR AS token,
        NULL::INTEGER AS feature, NULL::FLOAT AS activation, NULL::FLOAT AS patch_activation, NULL::FLOAT AS gradient,
        NULL::FLOAT AS effect, NULL::BOOLEAN AS kept
        """;

    private const string EdgeShape = """
        NULL::site AS up_site, NULL::INTEGER AS up_position, NULL::INTEGER AS up_feature, NULL::site AS down_site,
        NULL::INTEGER AS down_position, NULL::INTEGER AS down_feature, NULL::FLOAT AS jacobian, NULL::FLOAT AS effect
        """;

    // Jacobians and effects hardly repeat, so a dictionary of them is wasted work:
    // 10 million edges take 1.9 s and not 3.2 s, at the same size.
    private const string EdgeEncoding = ", DICTIONARY_SIZE_LIMIT 4096";

    private readonly DuckDbDatabase _database;
    private readonly string _metadata;
    private int _tables;

    /// <param name="spill">A directory that DuckDB may use and that is the caller's to remove.</param>
    /// <param name="metadata">Goes into the key-value metadata of every file.</param>
    public RunTables(string spill, IEnumerable<(string Name, string Text)> metadata)
    {
        _metadata = Metadata(metadata);
        _database = DuckDbDatabase.OpenInMemory(("memory_limit", "1200MB"), ("temp_directory", spill));
    }

    /// <summary>Writes nodes.parquet, in the order given.</summary>
    /// <exception cref="DuckDbException">The disk is full or the file cannot be made.</exception>
    public void WriteNodes(string file, IReadOnlyList<NodeRow> nodes, CancellationToken cancel)
    {
        var next = 0;
        using var source = new DuckDbSource(_database, "nodes", NodeShape, vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, nodes.Count - next);
            for (var row = 0; row < rows; row++) Set(vectors, row, nodes[next++]);
            return rows;
        });
        Copy(source, "* FROM nodes()", file, encoding: "", cancel);
    }

    /// <summary>Writes edges.parquet, in the order given.</summary>
    /// <inheritdoc cref="WriteNodes" path="/exception"/>
    public void WriteEdges(string file, IReadOnlyList<NodeRow> nodes, int metricPosition, CausalEdge[] edges, CancellationToken cancel)
    {
        var ends = EdgeKeys.Of(nodes, metricPosition);
        SiteType.Create(_database, ends.Sites);
        var next = 0;
        using var source = new DuckDbSource(_database, "edges", EdgeShape, vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, edges.Length - next);
            Set(vectors, ends, edges.AsSpan(next, rows));
            next += rows;
            return rows;
        });
        Copy(source, "* REPLACE (up_site::VARCHAR AS up_site, down_site::VARCHAR AS down_site) FROM edges()", file, EdgeEncoding, cancel);
    }

    /// <summary>Writes any other table, in the order of its rows.</summary>
    /// <inheritdoc cref="WriteNodes" path="/exception"/>
    public void WriteTable(string file, StoredTable table, CancellationToken cancel)
    {
        var next = 0;
        var name = $"table{++_tables}";   // a function stays in its database, so each needs a name of its own
        using var source = new DuckDbSource(_database, name, table.Shape, vectors =>
        {
            var rows = table.Fill(vectors, next);
            next += rows;
            return rows;
        });
        Copy(source, $"* FROM {name}()", file, encoding: "", cancel);
    }

    public void Dispose() => _database.Dispose();

    private static void Set(DuckDbVectors vectors, int row, in NodeRow node)
    {
        vectors.SetText(0, row, node.Site);
        vectors.Column<int>(1)[row] = node.Layer;
        vectors.SetText(2, row, node.Kind);
        vectors.Column<int>(3)[row] = node.Position;
        vectors.SetText(4, row, node.Token);
        vectors.Column<int>(5)[row] = node.Feature;
        vectors.Column<float>(6)[row] = node.Activation;
        vectors.Column<float>(7)[row] = node.PatchActivation;
        vectors.Column<float>(8)[row] = node.Gradient;
        if (float.IsNaN(node.Gradient)) vectors.SetNull(8, row);
        vectors.Column<float>(9)[row] = node.Effect;
        if (float.IsNaN(node.Effect)) vectors.SetNull(9, row);
        vectors.Column<byte>(10)[row] = node.Kept ? (byte)1 : (byte)0;
    }

    private static void Set(DuckDbVectors vectors, EdgeKeys ends, ReadOnlySpan<CausalEdge> edges)
    {
        var upPosition = vectors.Column<int>(1);
        var upFeature = vectors.Column<int>(2);
        var downPosition = vectors.Column<int>(4);
        var downFeature = vectors.Column<int>(5);
        var jacobian = vectors.Column<float>(6);
        var effect = vectors.Column<float>(7);
        for (var row = 0; row < edges.Length; row++)
        {
            var edge = edges[row];
            var down = edge.Down == CausalEdge.Metric ? ends.Metric : edge.Down;
            (upPosition[row], upFeature[row]) = (ends.Position[edge.Up], ends.Feature[edge.Up]);
            (downPosition[row], downFeature[row]) = (ends.Position[down], ends.Feature[down]);
            (jacobian[row], effect[row]) = (edge.Jacobian, edge.Effect);
            if (edge.Down == CausalEdge.Metric) vectors.SetNull(5, row);   // the metric is no feature, and −1 is an error node
            if (float.IsNaN(edge.Jacobian)) vectors.SetNull(6, row);
        }
        switch (ends.Sites.Length)   // DuckDB stores an ENUM's codes in the smallest type that holds them
        {
            case <= byte.MaxValue: SetSites<byte>(vectors, ends, edges, static site => (byte)site); break;
            case <= ushort.MaxValue: SetSites<ushort>(vectors, ends, edges, static site => (ushort)site); break;
            default: SetSites<uint>(vectors, ends, edges, static site => (uint)site); break;
        }
    }

    private static void SetSites<T>(DuckDbVectors vectors, EdgeKeys ends, ReadOnlySpan<CausalEdge> edges, Func<int, T> code)
        where T : unmanaged
    {
        var up = vectors.Column<T>(0);
        var down = vectors.Column<T>(3);
        for (var row = 0; row < edges.Length; row++)
        {
            up[row] = code(ends.Site[edges[row].Up]);
            down[row] = code(ends.Site[edges[row].Down == CausalEdge.Metric ? ends.Metric : edges[row].Down]);
        }
    }

    private void Copy(DuckDbSource source, string select, string file, string encoding, CancellationToken cancel) => source.Execute(
        _database, $"COPY (SELECT {select}) TO {SqlText.Literal(file)} (FORMAT parquet, COMPRESSION zstd, "
            + $"USE_TMP_FILE false{encoding}{_metadata})", cancel);

    /// <summary>DuckDB takes the metadata as a struct, whose field names do not tell
    /// capitals from small letters; the first of a name wins.</summary>
    internal static string Metadata(IEnumerable<(string Name, string Text)> metadata)
    {
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var fields = new List<string>();
        foreach (var (name, text) in metadata)
        {
            if (name.Length > 0 && names.Add(name)) fields.Add($"{SqlText.Literal(name)}: {SqlText.Literal(text)}");
        }

        return fields.Count == 0 ? "" : $", KV_METADATA {{{string.Join(", ", fields)}}}";
    }
}
