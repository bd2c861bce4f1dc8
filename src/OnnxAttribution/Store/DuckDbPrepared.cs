namespace OnnxAttribution.Store;

/// <summary>A statement ready to run. Who prepares it disposes it; results outlive it.</summary>
internal sealed class DuckDbPrepared(DuckDbConnection connection, nint handle) : IDisposable
{
    private nint _handle = handle;

    public DuckDbStatementType Type => DuckDbNative.PreparedType(_handle);

    /// <summary>How many <c>?</c> or <c>$name</c> it has; this program gives no values for them.</summary>
    public int ParameterCount => checked((int)DuckDbNative.ParameterCount(_handle));

    public int ColumnCount => checked((int)DuckDbNative.PreparedColumnCount(_handle));

    /// <summary>What its rows will look like, before any is computed.</summary>
    public DuckDbColumn[] Columns
    {
        get
        {
            var columns = new DuckDbColumn[ColumnCount];
            for (int c = 0; c < columns.Length; c++)
                Describe(c, (name, type) => columns[c] = DuckDbColumn.From(DuckDbNative.Text(name, ""), type));
            return columns;
        }
    }

    /// <summary>Starts the statement; rows are computed as they are fetched. The result is the caller's to dispose, before the connection.</summary>
    /// <inheritdoc cref="DuckDbConnection.Execute" path="/exception"/>
    public DuckDbResult Execute(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        cancellation.ThrowIfCancellationRequested();
        using var interrupt = connection.InterruptOn(cancellation);
        int state = DuckDbNative.ExecuteStreaming(_handle, out var data);
        if (state == 0 && !cancellation.IsCancellationRequested)
            return new DuckDbResult(connection, data);
        string reason = DuckDbNative.Text(DuckDbNative.ResultError(ref data));
        DuckDbNative.DestroyResult(ref data);
        cancellation.ThrowIfCancellationRequested();
        throw new DuckDbException(reason);
    }

    public void Dispose()
    {
        if (_handle != 0)
            DuckDbNative.DestroyPrepare(ref _handle);
        _handle = 0;
    }

    /// <summary>Lends a column's name (UTF-8) and logical type for the length of a call.</summary>
    public void Describe(int column, Action<nint, nint> use)
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        nint type = DuckDbNative.PreparedColumnType(_handle, (ulong)column), name = DuckDbNative.PreparedColumnName(_handle, (ulong)column);
        try
        {
            use(name, type);
        }
        finally
        {
            DuckDbNative.DestroyLogicalType(ref type);
            DuckDbNative.Free(name);
        }
    }
}
