using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>SQL over one run or many: views <c>nodes</c> and <c>edges</c> with the columns of the files and a first column
/// <c>run</c>; the same of <c>validation</c>, <c>faithfulness</c>, <c>tokens</c> and <c>curve</c> where a run has them;
/// and <c>runs</c>, one row per run with the scalars of its run.json. Where a run's bundle has dashboards also
/// <c>features</c>, with the model's name as a first column.</summary>
/// <remarks>
/// Each query gets a database in memory of its own, locked before it sees the query: DuckDB may then open the runs' Parquet files,
/// their bundles' features.parquet (and the file a result goes to) and nothing else, load no extension, reach no network, and
/// change no setting. Only statements that read are let through.
/// </remarks>
public sealed class RunQuery
{
    private readonly IReadOnlyList<RunFiles> _runs;
    private readonly QueryGuard _guard;
    private readonly int? _threads;
    private QuerySession? _session;
    private OutputFile? _output;

    /// <summary>Finds the runs.</summary>
    /// <param name="paths">Run directories, or directories whose subdirectories are runs.</param>
    /// <param name="threads">How many threads a query has; all cores where null.</param>
    /// <exception cref="RunDirectoryException">A path means no run, or a file of a run is missing or damaged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are no paths.</exception>
    public RunQuery(IReadOnlyList<string> paths, int? threads = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(paths.Count);
        (_runs, _threads) = (RunFiles.Find(paths, out var leftOut), threads);
        (_guard, LeftOut) = (new QueryGuard(_runs), leftOut);
    }

    /// <summary>Merged runs that were named beside runs of the same batch, and are not queried:
    /// with the mean each prompt would count twice.</summary>
    public IReadOnlyList<string> LeftOut { get; }

    /// <summary>The runs' names, as the column <c>run</c> has them.</summary>
    public IReadOnlyList<string> Runs => [.. _runs.Select(run => run.Name)];

    /// <summary>Starts a query. Rows are computed as they are read; the result is the caller's to dispose.</summary>
    /// <param name="sql">One statement that reads, in DuckDB's SQL.</param>
    /// <param name="cancel">Ends the query in the middle.</param>
    /// <exception cref="QueryException">The query is wrong, or does more than read.</exception>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public QueryResult Execute(string sql, CancellationToken cancel = default)
    {
        var session = _session = new QuerySession(_runs, output: null, _threads, cancel);
        try
        {
            return _guard.Run(() => new QueryResult(_guard, session, session.Start(sql, cancel)));
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Writes a query's result to a Parquet file (zstd), beside its place and renamed when whole;
    /// an older file there is replaced.</summary>
    /// <param name="sql">One statement that reads, in DuckDB's SQL.</param>
    /// <param name="file">Where to; never a file of the runs.</param>
    /// <param name="cancel">Ends the query in the middle; nothing is written.</param>
    /// <inheritdoc cref="Execute" path="/exception"/>
    public void WriteParquet(string sql, string file, CancellationToken cancel = default)
    {
        using var output = Output(file, cancel);
        using (var session = _session = new QuerySession(_runs, output.Aside, _threads, cancel))
        {
            _guard.Run(() =>
            {
                session.Copy(sql, output.Aside, cancel);
                return true;
            });
        }

        output.Commit();
    }

    /// <summary>Writes any file beside its place and renames it when whole;
    /// an older file there is replaced, but never one of the runs'.</summary>
    /// <param name="file">Where to.</param>
    /// <param name="write">Gets the open file, which is closed for it.</param>
    /// <exception cref="QueryException">The file cannot be written.</exception>
    internal void WriteFile(string file, Action<Stream> write)
    {
        using var output = Output(file);
        output.Fill(write);
        output.Commit();
    }

    private OutputFile Output(string file, CancellationToken cancel = default)
    {
        var full = Path.GetFullPath(file);
        if (_runs.Any(run => run.Directory == Path.GetDirectoryName(full)) && RunNames.Files.Contains(Path.GetFileName(full)))
        {
            throw QueryException.Protected(file);
        }
        return _output = new OutputFile(file, why => QueryException.Unwritable(file, why), cancel);
    }

    /// <summary>Removes what a query has put into the file system, for whoever ends the process while one runs.</summary>
    internal void RemoveUnfinished()
    {
        try
        {
            _output?.Dispose();
            if (_session is { } session && Directory.Exists(session.Spill)) Directory.Delete(session.Spill, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the running query has it
        }
    }
}
