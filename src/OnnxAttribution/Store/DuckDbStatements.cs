using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>The statements of one text, parsed and not run: DuckDB.NET says of a statement neither what it does nor what its rows look like
/// before it runs. Who parses them disposes them, before the database.</summary>
internal sealed partial class DuckDbStatements : IDisposable
{
    private readonly DuckDbDatabase _database;
    private readonly DuckDBExtractedStatements _statements;

    /// <exception cref="DuckDbException">The text is not SQL.</exception>
    public DuckDbStatements(DuckDbDatabase database, string sql)
    {
        _database = database;
        Count = NativeMethods.ExtractStatements.DuckDBExtractStatements(database.Native, sql, out _statements);
        if (NativeMethods.ExtractStatements.DuckDBExtractStatementsError(_statements) is not { Length: > 0 } error) return;
        _statements.Dispose();
        throw new DuckDbException(error);
    }

    public int Count { get; }

    /// <summary>Binds a statement to the tables of the database. The caller disposes it.</summary>
    /// <exception cref="DuckDbException">An unknown table or column, a type that does not fit, or a file that may not be read.</exception>
    public DuckDBPreparedStatement Prepare(int index)
    {
        var state = NativeMethods.ExtractStatements.DuckDBPrepareExtractedStatement(_database.Native, _statements, index, out var prepared);
        if (state.IsSuccess()) return prepared;
        using (prepared) throw new DuckDbException(NativeMethods.PreparedStatements.DuckDBPrepareError(prepared));
    }

    /// <summary>Runs a statement whose rows nobody reads.</summary>
    /// <exception cref="DuckDbException">DuckDB refused.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public void Execute(DuckDBPreparedStatement prepared, CancellationToken cancel)
    {
        using var interrupt = _database.InterruptOn(cancel);
        var state = NativeMethods.PreparedStatements.DuckDBExecutePrepared(prepared, out var result);
        try
        {
            cancel.ThrowIfCancellationRequested();
            if (!state.IsSuccess()) throw new DuckDbException(NativeMethods.Query.DuckDBResultError(ref result));
        }
        finally
        {
            NativeMethods.Query.DuckDBDestroyResult(ref result);
        }
    }

    /// <summary>What a statement does.</summary>
    [LibraryImport("duckdb", EntryPoint = "duckdb_prepared_statement_type")]
    public static partial DuckDBStatementType TypeOf(DuckDBPreparedStatement prepared);

    /// <summary>How many <c>?</c> or <c>$name</c> a statement has; this program gives no values for them.</summary>
    public static long ParameterCount(DuckDBPreparedStatement prepared) => NativeMethods.PreparedStatements.DuckDBParams(prepared);

    /// <summary>What the rows of a statement will look like, before any is computed.</summary>
    public static DuckDbColumn[] Columns(DuckDBPreparedStatement prepared)
    {
        var columns = new DuckDbColumn[ColumnCount(prepared)];
        for (var c = 0; c < columns.Length; c++)
        {
            using (var type = ColumnType(prepared, (ulong)c))
            {
                columns[c] = new(ColumnName(prepared, (ulong)c), NativeMethods.LogicalType.DuckDBGetTypeId(type));
            }
        }

        return columns;
    }

    public void Dispose() => _statements.Dispose();

    [LibraryImport("duckdb", EntryPoint = "duckdb_prepared_statement_column_count")]
    private static partial ulong ColumnCount(DuckDBPreparedStatement prepared);

    [LibraryImport("duckdb", EntryPoint = "duckdb_prepared_statement_column_name")]
    [return: MarshalUsing(typeof(DuckDBCallerOwnedStringMarshaller))]
    private static partial string ColumnName(DuckDBPreparedStatement prepared, ulong column);

    [LibraryImport("duckdb", EntryPoint = "duckdb_prepared_statement_column_logical_type")]
    private static partial DuckDBLogicalType ColumnType(DuckDBPreparedStatement prepared, ulong column);
}
