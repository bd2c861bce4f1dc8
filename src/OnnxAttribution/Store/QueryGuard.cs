namespace OnnxAttribution.Store;

/// <summary>Runs the steps of a query over some runs, and turns DuckDB's failures into ours.</summary>
internal sealed class QueryGuard(QueriedRuns runs)
{
    /// <summary>Says of a failure whether a file, the query or its size is at fault.</summary>
    /// <exception cref="QueryException">The query.</exception>
    /// <exception cref="RunDirectoryException">A file of a run.</exception>
    public T Run<T>(Func<T> step)
    {
        try
        {
            return step();
        }
        catch (DuckDbException e) when (e.IsOutOfMemory)
        {
            throw QueryException.TooLarge(e);
        }
        catch (OutOfMemoryException e)   // of a text that .NET cannot hold
        {
            throw QueryException.TooLarge(e);
        }
        catch (DuckDbException e)
        {
            var files = runs.Parquet;
            var damaged = !e.IsOfFile ? null : files.FirstOrDefault(file => e.Message.Contains(file, StringComparison.Ordinal))
                ?? (e.IsOfQuery ? null : files.FirstOrDefault(file => !ParquetFile.IsReadable(file)));
            throw damaged is null ? QueryException.Failed(e, runs.Datasets) : RunDirectoryException.Corrupt(damaged, e);
        }
    }
}
