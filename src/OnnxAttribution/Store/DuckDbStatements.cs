namespace OnnxAttribution.Store;

/// <summary>The statements of one text, parsed. Who extracts them disposes them, before the connection.</summary>
internal sealed class DuckDbStatements(DuckDbConnection connection, nint handle, int count) : IDisposable
{
    private nint _handle = handle;

    public int Count { get; } = count;

    /// <summary>Binds the statement to the tables of the database. The caller disposes it.</summary>
    /// <exception cref="DuckDbException">An unknown table or column, a type that does not fit, or a file that may not be read.</exception>
    public DuckDbPrepared Prepare(int index)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        int state = DuckDbNative.PrepareExtracted(connection, _handle, (ulong)index, out nint prepared);
        if (state == 0)
            return new DuckDbPrepared(connection, prepared);
        string reason = DuckDbNative.Text(DuckDbNative.PrepareError(prepared));
        DuckDbNative.DestroyPrepare(ref prepared);
        throw new DuckDbException(reason);
    }

    public void Dispose()
    {
        if (_handle != 0)
            DuckDbNative.DestroyExtracted(ref _handle);
        _handle = 0;
    }
}
