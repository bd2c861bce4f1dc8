using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DuckDB.NET.Native;
using Function = DuckDB.NET.Native.NativeMethods.TableFunction;

namespace OnnxAttribution.Store;

/// <summary>Rows in our memory that SQL reads as <c>name()</c>, once, in order and on one thread.
/// Who makes it disposes it, after the statement.</summary>
/// <remarks>
/// Tried and lost: an appender and a table in memory. DuckDB keeps statistics of every value appended, 4 s for 10 million edges on one core
/// where reading them so takes 0.1 s, and the table takes 0.3 GB; DuckDB.NET's appender takes 1.3 GB.
/// DuckDB.NET's own table function goes row by row, which takes 1.7 times as long, and says of an exception in it only the message.
/// </remarks>
internal sealed unsafe class DuckDbSource : IDisposable
{
    private DuckDbFill? _fill;
    private readonly List<(string Name, DuckDBLogicalType Type)> _columns;
    private Exception? _failure;
    private bool _disposed;

    /// <param name="database">Gets the function; a database has each name once.</param>
    /// <param name="name">A plain SQL name.</param>
    /// <param name="shape">A SELECT list that gives names and types, such as <c>NULL::INTEGER AS position</c>.</param>
    /// <param name="fill">Called until it returns 0.</param>
    public DuckDbSource(DuckDbDatabase database, string name, string shape, DuckDbFill fill)
    {
        (_fill, _columns) = (fill, Describe(database, $"SELECT {shape}"));
        var function = Function.DuckDBCreateTableFunction();
        Function.DuckDBTableFunctionSetName(function, name);
        Function.DuckDBTableFunctionSetExtraInfo(function, GCHandle.ToIntPtr(GCHandle.Alloc(this)), &Release);
        Function.DuckDBTableFunctionSetBind(function, &Bind);
        Function.DuckDBTableFunctionSetInit(function, &Init);
        Function.DuckDBTableFunctionSetFunction(function, &Fill);
        var state = Function.DuckDBRegisterTableFunction(database.Native, function);
        Function.DuckDBDestroyTableFunction(ref function);
        if (state.IsSuccess()) return;
        Dispose();
        throw new DuckDbException($"DuckDB has a function {name} already.");
    }

    /// <summary>From now on <c>name()</c> is an error. The function itself,
    /// and the handle it carries, live as long as the database.</summary>
    public void Dispose()
    {
        (_disposed, _fill) = (true, null);   // and with it the rows
        foreach (var (_, type) in _columns) type.Dispose();
    }

    /// <summary>Runs a statement that reads this source. What <see cref="DuckDbFill"/> throws comes out here as it was.</summary>
    /// <inheritdoc cref="DuckDbDatabase.Execute" path="/exception"/>
    public void Execute(DuckDbDatabase database, string sql, CancellationToken cancel)
    {
        try
        {
            database.Execute(sql, cancel);
        }
        catch (DuckDbException) when (_failure is not null)
        {
            throw _failure;
        }
    }

    private static List<(string Name, DuckDBLogicalType Type)> Describe(DuckDbDatabase database, string select)
    {
        var state = NativeMethods.Query.DuckDBQuery(database.Native, select, out var result);
        try
        {
            if (!state.IsSuccess()) throw new DuckDbException(NativeMethods.Query.DuckDBResultError(ref result));
            var columns = new List<(string, DuckDBLogicalType)>();
            for (long column = 0; column < (long)NativeMethods.Query.DuckDBColumnCount(ref result); column++)
            {
                columns.Add((NativeMethods.Query.DuckDBColumnName(ref result, column),
                    NativeMethods.Query.DuckDBColumnLogicalType(ref result, column)));
            }
            return columns;
        }
        finally
        {
            NativeMethods.Query.DuckDBDestroyResult(ref result);
        }
    }

    // No exception may cross from these into native code.

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Bind(nint info)
    {
        var source = From(Function.DuckDBBindGetExtraInfo(info));
        try
        {
            ObjectDisposedException.ThrowIf(source._disposed, source);
            foreach (var (name, type) in source._columns) Function.DuckDBBindAddResultColumn(info, name, type);
        }
        catch (ObjectDisposedException)
        {
            Function.DuckDBBindSetError(info, "Its rows are gone.");
        }
    }

    /// <summary>DuckDB requires it; without a word of it one thread asks for rows.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Init(nint info)
    {
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Fill(nint info, nint chunk)
    {
        var source = From(Function.DuckDBFunctionGetExtraInfo(info));
        try
        {
            ObjectDisposedException.ThrowIf(source._disposed, source);
            using var lent = new DuckDBDataChunk(chunk);
            NativeMethods.DataChunks.DuckDBDataChunkSetSize(lent, (ulong)source._fill!(new DuckDbVectors(lent)));
        }
        catch (Exception e)
        {
            source._failure = e;
            Function.DuckDBFunctionSetError(info, e.Message);
        }
    }

    /// <summary>DuckDB calls it when the database closes.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(nint handle) => GCHandle.FromIntPtr(handle).Free();

    private static DuckDbSource From(nint handle) => (DuckDbSource)GCHandle.FromIntPtr(handle).Target!;
}
