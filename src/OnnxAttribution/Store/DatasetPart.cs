using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A part of a dataset being written. Graphs lie aside, one by one, until <see cref="Commit"/> makes the part of them.
/// Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
internal sealed class DatasetPart : IDisposable
{
    private const string NodesBy = "site, feature, position, run", Line = "line",
        EdgesBy = "down_site, down_feature, up_site, up_feature, down_position, up_position, run";

    private readonly DatasetDirectory _dataset;
    private readonly int _number;
    private readonly OutputDirectory _aside;
    private readonly List<PromptRow> _rows = [];
    private readonly SortedDictionary<string, StoredTable> _further = new(StringComparer.Ordinal);
    private readonly CancellationToken _cancel;

    /// <exception cref="RunDirectoryException">Another program writes the part, or the dataset cannot be written.</exception>
    public DatasetPart(DatasetDirectory dataset, int number, CancellationToken cancel)
    {
        (_dataset, _number, _cancel) = (dataset, number, cancel);
        var place = Path.Combine(dataset.Path, Path.GetFileNameWithoutExtension(DatasetNames.Part(number)));
        try
        {
            if (AsideName.RemoveLeftovers(place)) throw RunDirectoryException.Busy(dataset.File(DatasetNames.Prompts, number));
            _aside = new OutputDirectory(place);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(dataset.Path, e);
        }
    }

    /// <summary>Adds a prompt's graph.</summary>
    /// <exception cref="RunDirectoryException">The disk is full.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Add(PromptRow row, RunContents graph) => Writing(() =>
    {
        var (nodes, edges) = (Aside(DatasetNames.Nodes, _rows.Count), Aside(DatasetNames.Edges, _rows.Count));
        var sign = graph.Record.SignOfClean;
        var ends = EdgeKeys.Of(graph.Nodes, graph.MetricPosition) with { SignOfClean = sign };
        var sorted = EdgeOrder.Sort(ends, graph.Edges, graph.SwitchedOn, _cancel);
        using var tables = new RunTables(Spill, []);
        tables.WriteNodes(nodes, graph.Nodes, sign, _cancel);
        tables.WriteEdges(edges, ends, sorted, _cancel);
        foreach (var (name, table) in graph.Tables) tables.WriteTable(Aside(name, _rows.Count), table, _cancel);
        foreach (var (name, table) in graph.Tables) _further.TryAdd(name, table);
        _rows.Add(row);
    });

    /// <summary>Adds a prompt that has no graph.</summary>
    public void Add(PromptRow row) => _rows.Add(row);

    /// <summary>Writes the part: nodes and edges in the order of their features, so that few row groups hold one, and the prompts last.
    /// </summary>
    /// <inheritdoc cref="Add(PromptRow, RunContents)" path="/exception"/>
    public void Commit() => Writing(() =>
    {
        // one thread: the same rows are the same bytes
        using var database = DuckDbDatabase.OpenInMemory(("temp_directory", Spill), ("threads", "1"));
        Copy(database, DatasetNames.Nodes, NodeTable.Shape, NodesBy, _dataset.Record.AllNodes == true ? "" : $"WHERE {NodeTable.Kept}");
        Copy(database, DatasetNames.Edges, EdgeTable.FileShape, EdgesBy);
        foreach (var (name, table) in _further) Copy(database, name, table.Shape, "ALL");
        var prompts = Aside(DatasetNames.Prompts, 0);
        using (var tables = new RunTables(Spill, [])) tables.WriteTable(prompts, RowTable.Of(_rows), _cancel);
        Write(database, DatasetNames.Prompts, $"FROM {ParquetFile.Sql(prompts)} ORDER BY {Line}");
    });

    public void Dispose() => _aside.Dispose();

    private string Spill => Path.Combine(_aside.Aside, "spill");

    private string Aside(string table, int row) => Path.Combine(_aside.Aside, $"{table}-{row}.parquet");

    private void Copy(DuckDbDatabase database, string table, string shape, string order, string where = "")
    {
        var graphs = _rows.Select((row, i) => (row.Run, File: Aside(table, i))).Where(g => File.Exists(g.File))
            .Select(g => $"SELECT {SqlText.Literal(g.Run)} AS run, * FROM {ParquetFile.Sql(g.File)} {where}");
        // where no line of the part has a graph, the columns stand without a row
        var none = $"SELECT NULL::VARCHAR AS run, {shape} WHERE false";
        Write(database, table, $"FROM ({string.Join("\nUNION ALL ", graphs.Prepend(none))}) ORDER BY {order}");
    }

    private void Write(DuckDbDatabase database, string table, string select)
    {
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(_dataset.Path, why);
        using var output = new OutputFile(_dataset.File(table, _number), Unwritable, _cancel);
        database.Execute($"COPY ({select}) TO {SqlText.Literal(output.Aside)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)",
            _cancel);
        _cancel.ThrowIfCancellationRequested();
        output.Commit();
    }

    private void Writing(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_dataset.Path, e);
        }
    }
}
