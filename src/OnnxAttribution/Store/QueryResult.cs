namespace OnnxAttribution.Store;

/// <summary>The rows of a query, computed while they are read; they can be read once.
/// Owns its database; who runs the query disposes it.</summary>
public sealed partial class QueryResult : IDisposable
{
    private readonly QueryGuard _guard;
    private readonly QuerySession _session;
    private readonly DuckDbRows _rows;

    internal QueryResult(QueryGuard guard, QuerySession session, (DuckDbRows Rows, bool[] IsJson) started)
    {
        (_guard, _session, _rows) = (guard, session, started.Rows);
        Columns =
            [.. _rows.Columns.Select((column, c) => new QueryColumn(column.Name, column.IsNumber, started.IsJson[c], column.IsBoolean))];
    }

    /// <summary>The columns, in the order of the query; at least one.</summary>
    public IReadOnlyList<QueryColumn> Columns { get; }

    /// <summary>Whether this is the plan of an EXPLAIN: a drawing over many lines, in the last column.</summary>
    internal bool IsPlan => Columns is [{ Name: "explain_key" }, { Name: "explain_value" }];

    /// <summary>Row by row: texts [columns], null for NULL. Floats have as many digits as bring the same float back.</summary>
    /// <param name="cancel">Stops the reading after some rows.</param>
    /// <exception cref="QueryException">A row could not be computed.</exception>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IEnumerable<string?[]> Rows(CancellationToken cancel = default)
    {
        while (Next(cancel) is { } row) yield return row;
    }

    /// <summary>Ends the query and closes its database.</summary>
    public void Dispose()
    {
        _rows.Dispose();
        _session.Dispose();
    }

    private string?[]? Next(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return _guard.Run(() => _rows.Read() ? Enumerable.Range(0, Columns.Count).Select(_rows.Text).ToArray() : null);
    }
}
