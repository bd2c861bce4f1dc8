using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A part of a dataset being written. Graphs lie in a database, and aside where memory does not do, until <see cref="Commit"/>
/// makes the part of them. Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
/// <remarks>Tried and lost: a Parquet file aside for each graph, 34 ms of a core for 1,300 nodes and 1,000 edges.</remarks>
internal sealed class DatasetPart : IDisposable
{
    private const string NodesBy = "site, feature, position, run", Line = "line",
        EdgesBy = "down_site, down_feature, up_site, up_feature, down_position, up_position, run";

    private readonly PartWriter _writer;
    private readonly bool _allNodes;
    private readonly List<PromptRow> _rows = [];
    private readonly DuckDbDatabase _database;
    private readonly RunTables _graphs;
    private readonly PartTable<MovedRow> _moved;
    private readonly PartTable<NodeSumRow> _sums;
    private readonly SortedSet<string> _further = new(StringComparer.Ordinal);
    private readonly CancellationToken _cancel;

    private DatasetPart(PartWriter writer, DatasetDirectory dataset, CancellationToken cancel)
    {
        (_writer, _allNodes, _cancel) = (writer, dataset.Record.AllNodes == true, cancel);
        _graphs = new RunTables([], _database = writer.Open());
        _moved = new(_writer, "line, site, position, feature");
        _sums = new(_writer, "site, feature");
    }

    /// <inheritdoc cref="PartWriter.TryBegin"/>
    public static DatasetPart? TryBegin(DatasetDirectory dataset, int number, CancellationToken cancel)
    {
        if (PartWriter.TryBegin(dataset, "", number, cancel) is not { } writer) return null;
        var part = new DatasetPart(writer, dataset, cancel);
        // where no line of the part has a graph, the columns stand without a row
        part.Create(DatasetNames.Nodes, NodeTable.Shape);
        part.Create(DatasetNames.Edges, EdgeTable.FileShape);
        return part;
    }

    /// <summary>Adds a prompt's graph.</summary>
    /// <param name="moved">What is known of its nodes beyond linear estimates.</param>
    /// <exception cref="RunDirectoryException">The disk is full.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Add(PromptRow row, RunContents graph, IEnumerable<MovedRow> moved) => _writer.Writing(() =>
    {
        var ends = EdgeKeys.Of(graph.Nodes, graph.MetricPosition) with { SignOfClean = graph.Record.SignOfClean };
        var circuits = new SeparateCircuits(graph.Nodes.Count, EdgeOrder.Ranks(ends));
        var sorted = EdgeOrder.Sort(ends, circuits.Seeing(graph.Edges), graph.SwitchedOn, SpillRoom.Memory, _cancel);
        ends = ends with { Circuits = circuits.Numbers() };
        _graphs.AppendNodes((DatasetNames.Nodes, row.Run), graph.Nodes, ends, _allNodes ? "" : $"WHERE {NodeTable.Kept}", _cancel);
        _graphs.AppendEdges((DatasetNames.Edges, row.Run), ends, sorted, _cancel);
        foreach (var (name, table) in graph.Tables)
        {
            if (_further.Add(name)) Create(name, table.Shape);
            _graphs.AppendTable((name, row.Run), table, _cancel);
        }
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
        _writer.Put(_database, DatasetNames.Nodes, $"FROM {DatasetNames.Nodes} ORDER BY {NodesBy}");
        _writer.Put(_database, DatasetNames.Edges, $"FROM {DatasetNames.Edges} ORDER BY {EdgesBy}");
        foreach (var name in _further) _writer.Put(_database, name, $"FROM {name} ORDER BY ALL");
        _sums.Add(sums);
        _sums.Put(_database);
        _moved.Put(_database);
        _writer.Write(DatasetNames.Prompts, 0, _rows);
        _writer.Put(_database, DatasetNames.Prompts,
            $"FROM {ParquetFile.Sql(_writer.Aside(DatasetNames.Prompts, 0))} ORDER BY {Line}");
    });

    public void Dispose()
    {
        _graphs.Dispose();
        _writer.Dispose();
    }

    private void Create(string table, string shape) =>
        _database.Execute($"CREATE TABLE {table} AS SELECT NULL::VARCHAR AS run, {shape} WHERE false");
}
