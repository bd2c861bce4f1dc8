using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>SQL over one run or many: views <c>nodes</c> and <c>edges</c> with the columns of the files and a first column
/// <c>run</c>; the same of <c>validation</c>, <c>certificate</c>, <c>faithfulness</c>, <c>tokens</c> and <c>curve</c> where a run has them;
/// and <c>runs</c>, one row per run with the scalars of its run.json. Of datasets <c>prompts</c> too, a row per prompt, which is
/// <c>runs</c> as well where there is no run beside them. Where a run's bundle has dashboards also
/// <c>features</c>, with the model's name as a first column.</summary>
/// <remarks>
/// Each query gets a database in memory of its own, locked before it sees the query: DuckDB may then open the runs' Parquet files,
/// their bundles' features.parquet (and the file a result goes to) and nothing else, load no extension, reach no network, and
/// change no setting. Only statements that read are let through.
/// </remarks>
public sealed class RunQuery
{
    private readonly QueriedRuns _runs;
    private readonly QueryGuard _guard;
    private readonly int? _threads;
    private QuerySession? _session;
    private OutputFile? _output;

    /// <summary>Finds the runs.</summary>
    /// <param name="paths">Run directories, directories whose subdirectories are runs, or datasets (<c>graph --prompts</c>).</param>
    /// <param name="threads">How many threads a query has; all cores where null.</param>
    /// <exception cref="RunDirectoryException">A path means no run, or a file of a run is missing or damaged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are no paths.</exception>
    public RunQuery(IReadOnlyList<string> paths, int? threads = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(paths.Count);
        (_runs, _threads) = (QueriedRuns.Find(paths, out var leftOut), threads);
        (_guard, LeftOut) = (new QueryGuard(_runs), leftOut);
    }

    /// <summary>Merged runs that were named beside runs of the same batch, and are not queried:
    /// with the mean each prompt would count twice.</summary>
    public IReadOnlyList<string> LeftOut { get; }

    /// <summary>The runs' names, as the column <c>run</c> has them; of a dataset its path.</summary>
    public IReadOnlyList<string> Runs => [.. _runs.Names];

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

    /// <summary>Writes a query's result to a Parquet file (zstd), beside its place and renamed when whole.</summary>
    /// <param name="sql">One statement that reads, in DuckDB's SQL.</param>
    /// <param name="file">Where to; never a file of a run or a bundle. Where it is a link, to what that leads to.</param>
    /// <param name="mode">What is done where a file is there.</param>
    /// <param name="cancel">Ends the query in the middle; nothing is written.</param>
    /// <exception cref="QueryException">The query is wrong, or does more than read, or the file cannot be written.</exception>
    /// <exception cref="RunDirectoryException">A file of a run is damaged, or something is in the way that is not replaced.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void WriteParquet(string sql, string file, WriteMode mode = WriteMode.CreateNew, CancellationToken cancel = default)
    {
        using var output = Output(Free(file, mode), cancel);
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

    /// <summary>Writes a query's result to a file of text, beside its place and renamed when whole.</summary>
    /// <param name="write">Gets the rows, and the open file, which is closed for it.</param>
    /// <inheritdoc cref="WriteParquet"/>
    internal void WriteText(string sql, string file, WriteMode mode, Action<QueryResult, Stream> write, CancellationToken cancel = default)
    {
        var place = Free(file, mode);
        using var result = Execute(sql, cancel);
        using var output = Output(place, cancel);
        output.Fill(stream => write(result, stream));
        output.Commit();
    }

    private static string Free(string file, WriteMode mode)
    {
        var result = new ResultFile(ResultFile.Named(file), mode == WriteMode.Replace) { Example = "rows.parquet" };
        result.RequireFree();
        return result.Path;
    }

    private OutputFile Output(string file, CancellationToken cancel) =>
        _output = new OutputFile(file, why => QueryException.Unwritable(file, why), cancel);

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
