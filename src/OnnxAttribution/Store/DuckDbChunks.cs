using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>Takes some rows of a statement.</summary>
/// <param name="vectors">Their columns, valid during the call.</param>
/// <param name="rows">How many there are, at most <see cref="DuckDbVectors.Capacity"/>.</param>
internal delegate void DuckDbTake(DuckDbVectors vectors, int rows);

/// <summary>A statement's rows as they lie in DuckDB's memory, many at a time: for tens of millions of them, of which
/// <see cref="DuckDbRows"/> would make an object or two each.</summary>
internal static class DuckDbChunks
{
    /// <summary>Runs one statement and hands its rows on, in their order.</summary>
    /// <param name="sql">Whose columns are cast to the types that they are read as.</param>
    /// <exception cref="DuckDbException">DuckDB refused, or a file is broken; the message is DuckDB's.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public static void Read(DuckDbDatabase database, string sql, DuckDbTake take, CancellationToken cancel)
    {
        using var statements = new DuckDbStatements(database, sql);
        using var prepared = statements.Prepare(0);
        using var interrupt = database.InterruptOn(cancel);
        var state = NativeMethods.PreparedStatements.DuckDBExecutePreparedStreaming(prepared, out var result);
        try
        {
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                if (!state.IsSuccess()) throw new DuckDbException(NativeMethods.Query.DuckDBResultError(ref result));
                using var chunk = NativeMethods.StreamingResult.DuckDBStreamFetchChunk(result);
                var rows = chunk.IsInvalid ? 0 : (int)NativeMethods.DataChunks.DuckDBDataChunkGetSize(chunk);
                if (rows == 0) break;
                take(new DuckDbVectors(chunk), rows);
            }
            // the last chunk and one that could not be computed look the same
            cancel.ThrowIfCancellationRequested();
            if (NativeMethods.Query.DuckDBResultError(ref result) is { Length: > 0 } error) throw new DuckDbException(error);
        }
        finally
        {
            NativeMethods.Query.DuckDBDestroyResult(ref result);
        }
    }
}
