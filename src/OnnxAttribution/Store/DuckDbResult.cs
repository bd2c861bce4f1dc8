using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary>The rows of one statement, in chunks of at most 2,048. Who runs the statement disposes the result.</summary>
internal sealed class DuckDbResult : IDisposable
{
    private readonly DuckDbConnection _connection;
    private DuckDbResultData _data;
    private bool _disposed;

    internal DuckDbResult(DuckDbConnection connection, DuckDbResultData data)
    {
        _connection = connection;
        _data = data;
        Columns = new DuckDbColumn[checked((int)DuckDbNative.ColumnCount(ref _data))];
        for (int c = 0; c < Columns.Length; c++)
            Columns[c] = Describe((ulong)c);
    }

    public DuckDbColumn[] Columns { get; }

    /// <summary>The next rows, null after the last. The chunk is the caller's to dispose.</summary>
    /// <exception cref="DuckDbException">A row could not be computed, or a file turned out to be broken.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public DuckDbChunk? Fetch(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellation.ThrowIfCancellationRequested();
        using var interrupt = _connection.InterruptOn(cancellation);
        nint chunk = DuckDbNative.FetchChunk(_data);
        if (chunk != 0)
            return new DuckDbChunk(chunk, Columns);
        cancellation.ThrowIfCancellationRequested();
        string? error = Marshal.PtrToStringUTF8(DuckDbNative.ResultError(ref _data));
        return string.IsNullOrEmpty(error) ? null : throw new DuckDbException(error);
    }

    public void Dispose()
    {
        if (!_disposed)
            DuckDbNative.DestroyResult(ref _data);
        _disposed = true;
    }

    private DuckDbColumn Describe(ulong column)
    {
        nint type = DuckDbNative.ColumnLogicalType(ref _data, column);
        try
        {
            return DuckDbColumn.From(DuckDbNative.Text(DuckDbNative.ColumnName(ref _data, column), ""), type);
        }
        finally
        {
            DuckDbNative.DestroyLogicalType(ref type);
        }
    }
}
