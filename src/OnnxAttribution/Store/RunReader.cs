using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Reads the two Parquet files of a run, streaming. Owns a database in memory; who makes it disposes it.</summary>
internal sealed class RunReader : IDisposable
{
    private const int LeastRoom = 1 << 16;

    private readonly DuckDbDatabase _database = DuckDbLender.Lend(ParquetFile.Spill);

    /// <summary>The nodes in the file's order.</summary>
    /// <exception cref="DuckDbException">The file is damaged, lacks a column, or has NULL where a value belongs.</exception>
    public List<NodeRow> ReadNodes(string file, CancellationToken cancel)
    {
        using var rows = _database.Query($"SELECT {NodeTable.Select} FROM {NodeTable.From(ParquetFile.Sql(file))}", cancel);
        var nodes = new List<NodeRow>();
        var interned = new Dictionary<string, string>();
        while (rows.Read()) nodes.Add(Whole("a node", () => NodeTable.Read(rows, interned)));
        return nodes;
    }

    /// <summary>The edges in the file's order, their ends as indices into <paramref name="nodes"/>.</summary>
    /// <returns>The edges, the metric's position if an edge leads into it, and what switched on.</returns>
    /// <exception cref="DuckDbException">As in <see cref="ReadNodes"/>, or an edge ends at a node that is not in the list.</exception>
    public (CausalEdge[] Edges, int? MetricPosition, List<SwitchedOnRow> SwitchedOn) ReadEdges(string file, List<NodeRow> nodes,
        CancellationToken cancel)
    {
        var ends = EdgeKeys.Of(nodes, metricPosition: 0);
        var index = new NodeIndex(nodes, ends);
        SiteType.Create(_database, ends.Sites);
        // real edges take more than a byte each; what a damaged footer claims is not believed
        var count = Math.Min(CountRows(file, cancel), Math.Max(LeastRoom, new FileInfo(file).Length));
        DuckDbRows Where(string rows) =>
            _database.Query($"SELECT {EdgeTable.Select} FROM {EdgeTable.Rows(file)} WHERE {rows}", cancel);
        using var further = Where(EdgeTable.AreSwitchedOn);
        var switchedOn = Whole("an edge", () => EdgeTable.ReadSwitchedOn(further, index, ends));
        using var rows = Where(EdgeTable.AreEdges);
        var (edges, metricPosition) = Whole("an edge", () => EdgeTable.Read(rows, index, new CausalEdge[count]));
        return (edges, metricPosition, switchedOn);
    }

    public void Dispose() => _database.Dispose();

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
