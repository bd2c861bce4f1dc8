using System.Globalization;

namespace OnnxAttribution.Store;

/// <summary>A locked database over some runs, for one query. Who makes it disposes it, after the result.</summary>
internal sealed class QuerySession : IDisposable
{
    private const string View = "query_of_the_user";

    private readonly DuckDbDatabase _database;
    private readonly DuckDbConnection _connection;
    private readonly string _spill = Path.Combine(Path.GetTempPath(), $"onnx-attribution-query-{Guid.NewGuid():N}");

    /// <summary>Makes the views, then takes from DuckDB whatever a query has no business with.</summary>
    /// <param name="runs">The runs to look at.</param>
    /// <param name="output">A file that <see cref="Copy"/> may write, or null.</param>
    /// <param name="threads">Threads, or null for all cores.</param>
    /// <param name="cancellation">Stops the opening.</param>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    public QuerySession(IReadOnlyList<RunFiles> runs, string? output, int? threads, CancellationToken cancellation)
    {
        _database = DuckDbDatabase.OpenInMemory(
            ("temp_directory", _spill), ("allow_persistent_secrets", "false"), ("threads", Threads(threads)));
        _connection = _database.Connect();
        try
        {
            RunViews.Create(_connection, runs, cancellation);
            var files = runs.SelectMany(run => run.Parquet).Concat(FeatureViews.Create(_connection, runs, cancellation));
            _connection.Execute($"SET allowed_paths = {SqlText.List(output is null ? files : files.Append(output))}");
            _connection.Execute("SET enable_external_access = false");
            _connection.Execute("SET lock_configuration = true");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Starts the query, with columns that <see cref="DuckDbChunk.Utf8"/> cannot print turned into text in SQL.</summary>
    /// <returns>The rows, and for each column whether its text is JSON made from a list, struct or map.</returns>
    public (DuckDbResult Result, bool[] IsJson) Start(string sql, CancellationToken cancellation)
    {
        using var statements = _connection.Extract(sql);
        using var last = PrepareLast(statements, sql, cancellation);
        var columns = last.Columns;
        if (last.Type == DuckDbStatementType.Explain || columns.All(column => column.IsPrintable))
            return (last.Execute(cancellation), new bool[columns.Length]);
        CreateView(sql, columns.Length, cancellation);
        var printable = columns.Select((column, c) => $"{Printable(column, $"c{c}")} AS {SqlText.Name(column.Name)}");
        var result = _connection.Query($"SELECT {string.Join(", ", printable)} FROM {View}", cancellation);
        return (result, [.. columns.Select(column => column.IsNested)]);
    }

    /// <summary>Writes the rows of the query to a Parquet file, which must be the output named to the constructor.</summary>
    public void Copy(string sql, string file, CancellationToken cancellation)
    {
        using var statements = _connection.Extract(sql);
        using var last = PrepareLast(statements, sql, cancellation);
        if (last.Type == DuckDbStatementType.Explain)
            throw QueryException.NotASelect();
        CreateView(sql, columns: 0, cancellation);
        string options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false";   // a second file aside of ours would not be allowed
        _connection.Execute($"COPY (SELECT * FROM {View}) TO {SqlText.Literal(file)} ({options})", cancellation);
    }

    public void Dispose()
    {
        _connection.Dispose();
        _database.Dispose();
        if (Directory.Exists(_spill))
            Directory.Delete(_spill, recursive: true);
    }

    /// <summary>Lets only statements through that read. DuckDB takes a PIVOT apart into a CREATE TYPE and a SELECT; in a database in memory
    /// that is locked a CREATE harms nothing.</summary>
    private DuckDbPrepared PrepareLast(DuckDbStatements statements, string sql, CancellationToken cancellation)
    {
        if (statements.Count == 0)
            throw QueryException.Empty();
        if (sql.Contains("enable_logging", StringComparison.OrdinalIgnoreCase))   // DuckDB 1.5.6 ends the process when it may not write its log
            throw QueryException.NotASelect();
        for (int s = 0; s < statements.Count - 1; s++)
        {
            using var first = statements.Prepare(s);
            if (first.Type != DuckDbStatementType.Create)
                throw QueryException.NotASelect();
            first.Execute(cancellation).Dispose();
        }
        var last = statements.Prepare(statements.Count - 1);
        try
        {
            if (last.Type != DuckDbStatementType.Select && !(last.Type == DuckDbStatementType.Explain && ExplainsASelect(sql)))
                throw QueryException.NotASelect();
            if (last.ParameterCount > 0)
                throw QueryException.Parameters();
            return last;
        }
        catch
        {
            last.Dispose();
            throw;
        }
    }

    /// <summary>EXPLAIN ANALYZE runs what it explains, which could be a COPY over a run's own files.</summary>
    private bool ExplainsASelect(string sql)
    {
        if (ExplainText.Explained(sql) is not { } explained)
            return false;
        using var statements = _connection.Extract(explained);
        if (statements.Count != 1)
            return false;
        using var statement = statements.Prepare(0);
        return statement.Type == DuckDbStatementType.Select;
    }

    /// <summary>The text is one SELECT by now, so nothing in it can end the CREATE VIEW and begin something else.</summary>
    private void CreateView(string sql, int columns, CancellationToken cancellation)
    {
        string names = columns == 0 ? "" : $"({string.Join(", ", Enumerable.Range(0, columns).Select(c => $"c{c}"))})";
        _connection.Execute($"CREATE TEMP VIEW {View}{names} AS {sql}", cancellation);
    }

    private static string Printable(DuckDbColumn column, string name) =>
        column.IsPrintable ? name : column.IsNested ? $"to_json({name})::VARCHAR" : $"{name}::VARCHAR";

    private static string Threads(int? threads) => (threads ?? Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture);
}
