using System.Globalization;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>A locked database over some runs, for one query. Who makes it disposes it, after the result.</summary>
internal sealed class QuerySession : IDisposable
{
    private const string View = "query_of_the_user", MostSpilled = "16GB";

    private readonly DuckDbDatabase _database;
    /// <summary>Where DuckDB puts what memory does not hold; removed with this.</summary>
    public string Spill { get; } = Path.Combine(Path.GetTempPath(), $"onnx-attribution-query-{Guid.NewGuid():N}");

    /// <summary>Makes the views, then takes from DuckDB whatever a query has no business with.</summary>
    /// <param name="runs">The runs to look at.</param>
    /// <param name="output">A file that <see cref="Copy"/> may write, or null.</param>
    /// <param name="threads">Threads, or null for all cores.</param>
    /// <param name="cancel">Stops the opening.</param>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    public QuerySession(QueriedRuns runs, string? output, int? threads, CancellationToken cancel)
    {
        _database = DuckDbDatabase.OpenInMemory(
            ("temp_directory", Spill), ("max_temp_directory_size", MostSpilled), ("allow_persistent_secrets", "false"),
            ("threads", Threads(threads)));
        try
        {
            RunViews.Create(_database, runs, cancel);
            var files = runs.Parquet
                .Concat(FeatureViews.Create(_database, runs.Runs, cancel))
                .SelectMany(ParquetFile.Allowed);
            _database.Execute($"SET allowed_paths = {SqlText.List(output is null ? files : files.Append(output))}");
            _database.Execute("SET enable_external_access = false");
            _database.Execute("SET lock_configuration = true");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Starts the query, with columns that <see cref="DuckDbRows.Text"/> cannot print turned into text in SQL.</summary>
    /// <returns>The rows, and for each column whether its text is JSON made from a list, struct or map.</returns>
    public (DuckDbRows Rows, bool[] IsJson) Start(string sql, CancellationToken cancel)
    {
        using var statements = new DuckDbStatements(_database, sql);
        using var last = PrepareLast(statements, sql, cancel);
        var columns = DuckDbStatements.Columns(last);
        if (DuckDbStatements.TypeOf(last) == DuckDBStatementType.Explain || columns.All(column => column.IsPrintable))
        {
            return (_database.Query(sql, cancel), new bool[columns.Length]);
        }
        CreateView(sql, columns.Length, cancel);
        var printable = columns.Select((column, c) => $"{Printable(column, $"c{c}")} AS {SqlText.Name(column.Name)}");
        var rows = _database.Query($"SELECT {string.Join(", ", printable)} FROM {View}", cancel);
        return (rows, [.. columns.Select(column => column.IsNested)]);
    }

    /// <summary>Writes the rows of the query to a Parquet file, which must be the output named to the constructor.</summary>
    public void Copy(string sql, string file, CancellationToken cancel)
    {
        using var statements = new DuckDbStatements(_database, sql);
        using var last = PrepareLast(statements, sql, cancel);
        if (DuckDbStatements.TypeOf(last) == DuckDBStatementType.Explain) throw QueryException.NotASelect();
        CreateView(sql, columns: 0, cancel);
        var options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false";   // a second file aside of ours would not be allowed
        _database.Execute($"COPY (SELECT * FROM {View}) TO {SqlText.Literal(file)} ({options})", cancel);
    }

    public void Dispose()
    {
        _database.Dispose();
        if (Directory.Exists(Spill)) Directory.Delete(Spill, recursive: true);
    }

    /// <summary>Lets only statements through that read. DuckDB takes a PIVOT apart into a CREATE TYPE and a SELECT; in a database in memory
    /// that is locked a CREATE harms nothing.</summary>
    private DuckDBPreparedStatement PrepareLast(DuckDbStatements statements, string sql, CancellationToken cancel)
    {
        if (statements.Count == 0) throw QueryException.Empty();
        // DuckDB 1.5.6 ends the process when it may not write its log
        if (sql.Contains("enable_logging", StringComparison.OrdinalIgnoreCase)) throw QueryException.NotASelect();
        for (var s = 0; s < statements.Count - 1; s++)
        {
            using var first = statements.Prepare(s);
            if (DuckDbStatements.TypeOf(first) != DuckDBStatementType.Create) throw QueryException.NotASelect();
            statements.Execute(first, cancel);
        }
        var last = statements.Prepare(statements.Count - 1);
        try
        {
            var type = DuckDbStatements.TypeOf(last);
            if (type != DuckDBStatementType.Select && !(type == DuckDBStatementType.Explain && ExplainsASelect(sql)))
            {
                throw QueryException.NotASelect();
            }
            if (DuckDbStatements.ParameterCount(last) > 0) throw QueryException.Parameters();
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
        if (ExplainText.Explained(sql) is not { } explained) return false;
        using var statements = new DuckDbStatements(_database, explained);
        if (statements.Count != 1) return false;
        using var statement = statements.Prepare(0);
        return DuckDbStatements.TypeOf(statement) == DuckDBStatementType.Select;
    }

    /// <summary>The text is one SELECT by now, so nothing in it can end the CREATE VIEW and begin something else.</summary>
    private void CreateView(string sql, int columns, CancellationToken cancel)
    {
        var names = columns == 0 ? "" : $"({string.Join(", ", Enumerable.Range(0, columns).Select(c => $"c{c}"))})";
        _database.Execute($"CREATE TEMP VIEW {View}{names} AS {sql}", cancel);
    }

    private static string Printable(DuckDbColumn column, string name) =>
        column.IsPrintable ? name : column.IsNested ? $"to_json({name})::VARCHAR" : $"{name}::VARCHAR";

    private static string Threads(int? threads) => (threads ?? Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture);
}
