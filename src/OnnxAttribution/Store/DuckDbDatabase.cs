using DuckDB.NET.Data;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>A database in memory that loads and downloads no extension, for one statement at a time.
/// Who opens it disposes it, after its rows.</summary>
internal sealed class DuckDbDatabase : IDisposable
{
    /// <summary>Unless a setting says otherwise: DuckDB alone would take four fifths of the machine's.</summary>
    public const string MostMemory = "1GB";

    /// <summary>DuckDB's, by the first three numbers of its package; the library itself is not loaded for it.</summary>
    public static string Version { get; } = typeof(DuckDBConnection).Assembly.GetName().Version!.ToString(3);

    private readonly DuckDBConnection _connection;
    private readonly Action<DuckDbDatabase>? _giveBack;
    private int _names;
    private bool _disposed;

    private DuckDbDatabase(DuckDBConnection connection, Action<DuckDbDatabase>? giveBack, int names) =>
        (_connection, _giveBack, _names) = (connection, giveBack, names);

    /// <summary>For what the connection itself has no call for; it stays this object's.</summary>
    public DuckDBNativeConnection Native => _connection.NativeConnection;

    /// <param name="settings">DuckDB settings by name, such as <c>threads</c> or <c>memory_limit</c>; <c>temp_directory</c> should be
    /// among them, as DuckDB otherwise spills into <c>.tmp</c> of the working directory.</param>
    /// <exception cref="DuckDbException">A setting is unknown or its value is not allowed.</exception>
    public static DuckDbDatabase OpenInMemory(params ReadOnlySpan<(string Name, string Value)> settings)
    {
        var text = new DuckDBConnectionStringBuilder { DataSource = DuckDBConnectionStringBuilder.InMemoryDataSource };
        text["autoinstall_known_extensions"] = text["autoload_known_extensions"] = text["allow_community_extensions"] = "false";
        text["memory_limit"] = MostMemory;
        foreach (var (name, value) in settings) text[name] = value;
        var connection = new DuckDBConnection(text.ConnectionString);
        try
        {
            connection.Open();
            return new DuckDbDatabase(connection, giveBack: null, names: 0);
        }
        catch (DuckDBException e)
        {
            connection.Dispose();
            throw new DuckDbException(e.Message, e);
        }
    }

    /// <summary>A name that nothing in this database has: functions stay in it.</summary>
    public string Unique(string name) => $"{name}_{++_names}";

    /// <summary>How many names <see cref="Unique"/> gave.</summary>
    public int Names => _names;

    /// <summary>The same database for somebody who does not close it by disposing it, but gives it back, to be disposed or lent again.
    /// </summary>
    public DuckDbDatabase Lent(Action<DuckDbDatabase> giveBack) => new(_connection, giveBack, _names);

    /// <summary>Runs one or several statements whose rows nobody reads.</summary>
    /// <exception cref="DuckDbException">DuckDB refused; the message is DuckDB's.</exception>
    /// <exception cref="OperationCanceledException">The statement was interrupted.</exception>
    public void Execute(string sql, CancellationToken cancel = default)
    {
        using var command = Command(sql);
        using var interrupt = InterruptOn(cancel);
        Step(command.ExecuteNonQuery, cancel);
    }

    /// <summary>Runs one statement and streams its rows. They are the caller's to dispose, before this database.</summary>
    /// <param name="sql">Where it holds several statements, these are the rows of the last.</param>
    /// <param name="cancel">Stops the statement, also while its rows are read.</param>
    /// <inheritdoc cref="Execute" path="/exception"/>
    public DuckDbRows Query(string sql, CancellationToken cancel = default)
    {
        var command = Command(sql);
        var interrupt = InterruptOn(cancel);
        try
        {
            var reader = Step(command.ExecuteReader, cancel);
            while (Step(reader.NextResult, cancel))
            {
            }
            return new DuckDbRows(command, reader, interrupt, cancel);
        }
        catch
        {
            interrupt.Dispose();
            command.Dispose();
            throw;
        }
    }

    /// <summary>Stops the running statement as soon as the token is cancelled;
    /// dispose the registration when the statement is over.</summary>
    public CancellationTokenRegistration InterruptOn(CancellationToken cancel) =>
        cancel.Register(static state => ((DuckDbDatabase)state!).Interrupt(), this);

    /// <summary>Stops the running statement, which then fails.</summary>
    public void Interrupt() => Native.Interrupt();

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        if (_giveBack is null) _connection.Dispose();
        else _giveBack(new DuckDbDatabase(_connection, giveBack: null, _names));
    }

    /// <summary>Calls DuckDB.NET and turns its failure into ours.</summary>
    /// <inheritdoc cref="Execute" path="/exception"/>
    internal static T Step<T>(Func<T> step, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        try
        {
            return step();
        }
        catch (DuckDBException e)
        {
            cancel.ThrowIfCancellationRequested();
            throw new DuckDbException(e.Message, e);
        }
    }

    private DuckDBCommand Command(string sql)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.UseStreamingMode = true;
        return command;
    }
}
