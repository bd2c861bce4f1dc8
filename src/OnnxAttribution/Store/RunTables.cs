using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Copies the tables of a run from our memory to Parquet, or to a table of DuckDB's. Owns a database in memory; who makes it
/// disposes it.</summary>
/// <remarks>DuckDB reads the rows where they lie and keeps their order;
/// sites are an ENUM on the way and plain VARCHAR in the file.</remarks>
internal sealed class RunTables : IDisposable
{
    // Jacobians and effects hardly repeat, so a dictionary of them is wasted work:
    // 10 million edges take 1.9 s and not 3.2 s, at the same size.
    private const string EdgeEncoding = ", DICTIONARY_SIZE_LIMIT 4096";

    private readonly DuckDbDatabase _database;
    private readonly string _metadata;
    private string[] _sites = [];

    /// <param name="spill">A directory that DuckDB may use and that is the caller's to remove.</param>
    /// <param name="metadata">Goes into the key-value metadata of every file.</param>
    public RunTables(string spill, IEnumerable<(string Name, string Text)> metadata) : this(metadata,
        DuckDbLender.Lend(spill, ("memory_limit", "1200MB")))
    {
    }

    /// <param name="database">This object's from now on.</param>
    public RunTables(IEnumerable<(string Name, string Text)> metadata, DuckDbDatabase database) =>
        (_metadata, _database) = (Metadata(metadata), database);

    /// <summary>Writes nodes.parquet, in the order given.</summary>
    /// <param name="ends">Of these nodes, with their circuits.</param>
    /// <exception cref="DuckDbException">The disk is full or the file cannot be made.</exception>
    public void WriteNodes(string file, IReadOnlyList<NodeRow> nodes, EdgeKeys ends, CancellationToken cancel) =>
        Nodes(nodes, ends, (source, rows) => Copy(source, rows, file, encoding: "", cancel));

    /// <summary>Writes edges.parquet, in the order given.</summary>
    /// <inheritdoc cref="WriteNodes" path="/exception"/>
    public void WriteEdges(string file, EdgeKeys ends, IEnumerable<CausalEdge[]> edges, CancellationToken cancel) =>
        Edges(ends, edges, (source, rows) => Copy(source, rows, file, EdgeEncoding, cancel));

    /// <summary>Writes any other table, in the order of its rows.</summary>
    /// <inheritdoc cref="WriteNodes" path="/exception"/>
    public void WriteTable(string file, StoredTable table, CancellationToken cancel) =>
        Rows(table, (source, rows) => Copy(source, rows, file, encoding: "", cancel));

    /// <summary>Appends a run's nodes to a table of the database, whose first column is the run's name.</summary>
    /// <param name="into">The table and the run.</param>
    /// <param name="where">Which of them, in SQL; empty: all.</param>
    /// <exception cref="DuckDbException">The disk is full.</exception>
    public void AppendNodes((string Table, string Run) into, IReadOnlyList<NodeRow> nodes, EdgeKeys ends, string where,
        CancellationToken cancel) => Nodes(nodes, ends, (source, rows) => Append(source, $"{rows} {where}", into, cancel));

    /// <summary>Appends a run's edges, likewise.</summary>
    /// <inheritdoc cref="AppendNodes" path="/exception"/>
    public void AppendEdges((string Table, string Run) into, EdgeKeys ends, IEnumerable<CausalEdge[]> edges,
        CancellationToken cancel) =>
        Edges(ends, edges, (source, rows) => Append(source, rows, into, cancel));

    /// <summary>Appends a run's rows of any other table, likewise.</summary>
    /// <inheritdoc cref="AppendNodes" path="/exception"/>
    public void AppendTable((string Table, string Run) into, StoredTable table, CancellationToken cancel) =>
        Rows(table, (source, rows) => Append(source, rows, into, cancel));

    /// <summary>Adds columns to a file that was written here; NULL in rows that are not named.</summary>
    /// <inheritdoc cref="WriteNodes" path="/exception"/>
    public void AddColumns(string file, KeyedColumns columns, CancellationToken cancel)
    {
        var (beside, both) = (file + ".columns", file + ".both");
        WriteTable(beside, columns.Table, cancel);
        var keys = string.Join(", ", columns.Keys);
        var on = string.Join(" AND ", columns.Keys.Select(key => $"rows.{key} IS NOT DISTINCT FROM more.{key}"));
        _database.Execute($"COPY (SELECT rows.* EXCLUDE (file_row_number), more.* EXCLUDE ({keys}) FROM (FROM "
            + $"{ParquetFile.SqlWithRows(file)}) AS rows "
            + $"LEFT JOIN (FROM {ParquetFile.Sql(beside)}) AS more ON {on} "
            + $"ORDER BY file_row_number) TO {SqlText.Literal(both)} "
            + $"(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false{_metadata})", cancel);
        File.Delete(beside);
        File.Move(both, file, overwrite: true);
    }

    public void Dispose() => _database.Dispose();

    // each hands on rows in SQL, after SELECT
    private void Nodes(IReadOnlyList<NodeRow> nodes, EdgeKeys ends, Action<DuckDbSource, string> use)
    {
        var (next, name) = (0, _database.Unique("nodes"));
        using var source = new DuckDbSource(_database, name, NodeTable.Shape, vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, nodes.Count - next);
            for (var row = 0; row < rows; row++, next++)
            {
                var circuit = ends.Circuits[next] is > 0 and var known ? known : (int?)null;
                NodeTable.Set(vectors, row, nodes[next] with { Component = circuit }, ends.SignOfClean);
            }
            return rows;
        });
        use(source, $"* FROM {name}()");
    }

    private void Edges(EdgeKeys ends, IEnumerable<CausalEdge[]> edges, Action<DuckDbSource, string> use)
    {
        if (!_sites.SequenceEqual(ends.Sites)) SiteType.Create(_database, _sites = ends.Sites);
        var name = _database.Unique("edges");
        using var groups = edges.GetEnumerator();
        var (rest, rows) = (ReadOnlyMemory<CausalEdge>.Empty, new CausalEdge[DuckDbVectors.Capacity]);
        using var source = new DuckDbSource(_database, name, EdgeTable.Shape, vectors =>
        {
            // as many at each call however edges are grouped, so that the file has the same bytes
            var filled = 0;
            while (filled < rows.Length)
            {
                if (rest.IsEmpty)
                {
                    if (!groups.MoveNext()) break;
                    rest = groups.Current;
                }
                var count = Math.Min(rest.Length, rows.Length - filled);
                rest.Span[..count].CopyTo(rows.AsSpan(filled));
                (rest, filled) = (rest[count..], filled + count);
            }
            EdgeTable.Set(vectors, ends, rows.AsSpan(0, filled));
            return filled;
        });
        use(source, $"{EdgeTable.FromShape} FROM {name}()");
    }

    private void Rows(StoredTable table, Action<DuckDbSource, string> use)
    {
        var (next, name) = (0, _database.Unique("rows"));
        using var source = new DuckDbSource(_database, name, table.Shape, vectors =>
        {
            var rows = table.Fill(vectors, next);
            next += rows;
            return rows;
        });
        use(source, $"* FROM {name}()");
    }

    private void Append(DuckDbSource source, string rows, (string Table, string Run) into, CancellationToken cancel) =>
        source.Execute(_database, $"INSERT INTO {into.Table} SELECT {SqlText.Literal(into.Run)}, {rows}", cancel);

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
