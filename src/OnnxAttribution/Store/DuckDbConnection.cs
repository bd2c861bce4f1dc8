using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary>A connection to a <see cref="DuckDbDatabase"/>, for one statement at a time. Who connects disposes.</summary>
internal sealed class DuckDbConnection : SafeHandle
{
    internal DuckDbConnection(nint handle) : base(0, ownsHandle: true) => SetHandle(handle);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Runs one or several statements whose rows nobody reads.</summary>
    /// <exception cref="DuckDbException">DuckDB refused; the message is DuckDB's.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public void Execute(string sql, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        using var interrupt = InterruptOn(cancellation);
        int state = DuckDbNative.Query(this, sql, out var result);
        try
        {
            cancellation.ThrowIfCancellationRequested();
            if (state != 0)
                throw new DuckDbException(DuckDbNative.Text(DuckDbNative.ResultError(ref result)));
        }
        finally
        {
            DuckDbNative.DestroyResult(ref result);
        }
    }

    /// <summary>Runs one statement and streams its rows. The result is the caller's to dispose, before this connection.</summary>
    /// <inheritdoc cref="Execute" path="/exception"/>
    public DuckDbResult Query(string sql, CancellationToken cancellation = default)
    {
        using var statements = Extract(sql);
        if (statements.Count != 1)
            throw new DuckDbException($"Expected one statement, got {statements.Count}.");
        using var prepared = statements.Prepare(0);
        return prepared.Execute(cancellation);
    }

    /// <summary>Parses a text into its statements, without running any. The caller disposes.</summary>
    /// <exception cref="DuckDbException">The text is not SQL.</exception>
    public DuckDbStatements Extract(string sql)
    {
        ulong count = DuckDbNative.ExtractStatements(this, sql, out nint statements);
        string? error = Marshal.PtrToStringUTF8(DuckDbNative.ExtractStatementsError(statements));
        if (error is null)
            return new DuckDbStatements(this, statements, checked((int)count));
        DuckDbNative.DestroyExtracted(ref statements);
        throw new DuckDbException(error);
    }

    /// <summary>Stops the running statement as soon as the token is cancelled; dispose the registration when the statement is over.</summary>
    public CancellationTokenRegistration InterruptOn(CancellationToken cancellation) =>
        cancellation.Register(static state => DuckDbNative.Interrupt((DuckDbConnection)state!), this);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        DuckDbNative.Disconnect(ref handle);
        return true;
    }
}
