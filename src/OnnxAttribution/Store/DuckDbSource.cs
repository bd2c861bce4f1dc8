using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary>Rows in our memory that SQL reads as <c>name()</c>, once, in order and on one thread. Who makes it disposes it, after the statement.</summary>
/// <remarks>
/// Tried and lost: an appender and a table in memory. DuckDB keeps statistics of every value appended, 4 s for 10 million edges on one core
/// where reading them so takes 0.1 s, and the table takes 0.3 GB.
/// </remarks>
internal sealed unsafe class DuckDbSource : IDisposable
{
    private readonly DuckDbFill _fill;
    private readonly DuckDbPrepared _shape;
    private Exception? _failure;
    private bool _disposed;

    /// <param name="connection">Its database gets the function; a database has each name once.</param>
    /// <param name="name">A plain SQL name.</param>
    /// <param name="shape">A SELECT list that gives names and types, such as <c>NULL::INTEGER AS position</c>.</param>
    /// <param name="fill">Called until it returns 0.</param>
    public DuckDbSource(DuckDbConnection connection, string name, string shape, DuckDbFill fill)
    {
        _fill = fill;
        using (var statements = connection.Extract($"SELECT {shape}"))
            _shape = statements.Prepare(0);
        nint function = DuckDbNative.CreateTableFunction();
        DuckDbNative.SetFunctionName(function, name);
        DuckDbNative.SetFunctionExtraInfo(function, GCHandle.ToIntPtr(GCHandle.Alloc(this)), &Release);
        DuckDbNative.SetFunctionBind(function, &Bind);
        DuckDbNative.SetFunctionInit(function, &Init);
        DuckDbNative.SetFunction(function, &Fill);
        int state = DuckDbNative.RegisterTableFunction(connection, function);
        DuckDbNative.DestroyTableFunction(ref function);
        if (state == 0)
            return;
        Dispose();
        throw new DuckDbException($"DuckDB has a function {name} already.");
    }

    /// <summary>From now on <c>name()</c> is an error. The function itself, and the handle it carries, live as long as the database.</summary>
    public void Dispose()
    {
        _disposed = true;
        _shape.Dispose();
    }

    /// <summary>Runs a statement that reads this source. What <see cref="DuckDbFill"/> throws comes out here as it was.</summary>
    /// <inheritdoc cref="DuckDbConnection.Execute" path="/exception"/>
    public void Execute(DuckDbConnection connection, string sql, CancellationToken cancellation)
    {
        try
        {
            connection.Execute(sql, cancellation);
        }
        catch (DuckDbException) when (_failure is not null)
        {
            throw _failure;
        }
    }

    // No exception may cross from these into native code.

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Bind(nint info)
    {
        var source = From(DuckDbNative.BindExtraInfo(info));
        try
        {
            ObjectDisposedException.ThrowIf(source._disposed, source);
            for (int column = 0; column < source._shape.ColumnCount; column++)
                source._shape.Describe(column, (name, type) => DuckDbNative.AddResultColumn(info, name, type));
        }
        catch (ObjectDisposedException)
        {
            DuckDbNative.SetBindError(info, "Its rows are gone.");
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Init(nint info) => DuckDbNative.SetMaxThreads(info, 1);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Fill(nint info, nint chunk)
    {
        var source = From(DuckDbNative.FunctionExtraInfo(info));
        try
        {
            ObjectDisposedException.ThrowIf(source._disposed, source);
            DuckDbNative.SetChunkSize(chunk, (ulong)source._fill(new DuckDbVectors(chunk)));
        }
        catch (Exception e)
        {
            source._failure = e;
            DuckDbNative.SetFunctionError(info, e.Message);
        }
    }

    /// <summary>DuckDB calls it when the database closes.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(nint handle) => GCHandle.FromIntPtr(handle).Free();

    private static DuckDbSource From(nint handle) => (DuckDbSource)GCHandle.FromIntPtr(handle).Target!;
}
