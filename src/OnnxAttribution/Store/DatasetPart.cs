namespace OnnxAttribution.Store;

/// <summary>A part of a dataset being written. Graphs lie aside, one by one, until <see cref="Commit"/> makes the part of them.
/// Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
internal sealed class DatasetPart : IDisposable
{
    private const string NodesBy = "site, feature, position, run", Line = "line",
        EdgesBy = "down_site, down_feature, up_site, up_feature, down_position, up_position, run";

    private readonly PartWriter _writer;
    private readonly bool _allNodes;
    private readonly List<PromptRow> _rows = [];
    private readonly PartTable<MovedRow> _moved;
    private readonly PartTable<NodeSumRow> _sums;
    private readonly SortedDictionary<string, StoredTable> _further = new(StringComparer.Ordinal);
    private readonly CancellationToken _cancel;

    private DatasetPart(PartWriter writer, DatasetDirectory dataset, CancellationToken cancel)
    {
        (_writer, _allNodes, _cancel) = (writer, dataset.Record.AllNodes == true, cancel);
        _moved = new(_writer, "line, site, position, feature");
        _sums = new(_writer, "site, feature");
    }

    /// <inheritdoc cref="PartWriter.TryBegin"/>
    public static DatasetPart? TryBegin(DatasetDirectory dataset, int number, CancellationToken cancel) =>
        PartWriter.TryBegin(dataset, "", number, cancel) is { } writer ? new(writer, dataset, cancel) : null;

    /// <summary>Adds a prompt's graph.</summary>
    /// <param name="moved">What is known of its nodes beyond linear estimates.</param>
    /// <exception cref="RunDirectoryException">The disk is full.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Add(PromptRow row, RunContents graph, IEnumerable<MovedRow> moved) => _writer.Writing(() =>
    {
        var (nodes, edges) = (_writer.Aside(DatasetNames.Nodes, _rows.Count), _writer.Aside(DatasetNames.Edges, _rows.Count));
        var sign = graph.Record.SignOfClean;
        var ends = EdgeKeys.Of(graph.Nodes, graph.MetricPosition) with { SignOfClean = sign };
        var sorted = EdgeOrder.Sort(ends, graph.Edges, graph.SwitchedOn, _cancel);
        using var tables = new RunTables(_writer.Spill, []);
        tables.WriteNodes(nodes, graph.Nodes, sign, _cancel);
        tables.WriteEdges(edges, ends, sorted, _cancel);
        foreach (var (name, table) in graph.Tables) tables.WriteTable(_writer.Aside(name, _rows.Count), table, _cancel);
        foreach (var (name, table) in graph.Tables) _further.TryAdd(name, table);
        _moved.Add(moved);
        _rows.Add(row);
    });

    /// <summary>Adds a prompt that has no graph.</summary>
    public void Add(PromptRow row) => _rows.Add(row);

    /// <summary>Writes the part: nodes and edges in the order of their features, so that few row groups hold one, and the prompts last.
    /// </summary>
    /// <param name="sums">Of the part's prompts.</param>
    /// <inheritdoc cref="Add(PromptRow, RunContents, IEnumerable{MovedRow})" path="/exception"/>
    public void Commit(IEnumerable<NodeSumRow> sums) => _writer.Writing(() =>
    {
        using var database = _writer.Open();
        Copy(database, DatasetNames.Nodes, NodeTable.Shape, NodesBy, _allNodes ? "" : $"WHERE {NodeTable.Kept}");
        Copy(database, DatasetNames.Edges, EdgeTable.FileShape, EdgesBy);
        foreach (var (name, table) in _further) Copy(database, name, table.Shape, "ALL");
        _sums.Add(sums);
        _sums.Put(database);
        _moved.Put(database);
        _writer.Write(DatasetNames.Prompts, 0, _rows);
        _writer.Put(database, DatasetNames.Prompts,
            $"FROM {ParquetFile.Sql(_writer.Aside(DatasetNames.Prompts, 0))} ORDER BY {Line}");
    });

    public void Dispose() => _writer.Dispose();

    private void Copy(DuckDbDatabase database, string table, string shape, string order, string where = "")
    {
        var graphs = _rows.Select((row, i) => (row.Run, File: _writer.Aside(table, i))).Where(g => File.Exists(g.File))
            .Select(g => $"SELECT {SqlText.Literal(g.Run)} AS run, * FROM {ParquetFile.Sql(g.File)} {where}");
        // where no line of the part has a graph, the columns stand without a row
        var none = $"SELECT NULL::VARCHAR AS run, {shape} WHERE false";
        _writer.Put(database, table, $"FROM ({string.Join("\nUNION ALL ", graphs.Prepend(none))}) ORDER BY {order}");
    }
}
