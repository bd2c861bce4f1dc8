using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

public static partial class RunDirectory
{
    private const string RunColumn = "run", ExampleFile = "table.parquet";

    /// <summary>Adds a table to a finished run, or replaces it there, and sets keys of its run.json.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="name">The table's name, one of those that a run may hold; the file is <c>name.parquet</c>.</param>
    /// <param name="table">Its rows; the scalars of the new run.json go into the file's key-value metadata.</param>
    /// <param name="addition">Keys of run.json to set; the others stay.</param>
    /// <param name="cancel">Stops the writing, also inside DuckDB, and the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The path is no finished run,
    /// or another one than <see cref="RunAddition.BegunWith"/>, a file is damaged, or the directory cannot be written.</exception>
    /// <exception cref="ArgumentException">No run holds a table of that name,
    /// or the table has a column <c>run</c>, which queries add.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    /// <remarks>Each file is written aside and renamed when whole, Parquet first and run.json last. Stopped in between, the run is valid
    /// and holds the table, run.json does not speak of it yet, and the same call fixes that. Writers of one run take turns.</remarks>
    internal static void Annotate(string path, string name, StoredTable table, RunAddition addition, CancellationToken cancel = default)
    {
        path = MergedRun.Locate(path);
        var (file, recordFile) = (Path.Combine(path, FileFor(name, table)), Path.Combine(path, RunNames.RecordFile));
        CheckFinished(path);
        Exception Unchangeable(Exception why) => RunDirectoryException.Unchangeable(Path.GetFullPath(path), why);
        // held throughout: nobody else changes run.json meanwhile
        using var recordOutput = new OutputFile(recordFile, Unchangeable, cancel);
        var before = RunFile.Read(recordFile);
        if (addition.BegunWith is { } begun && !RunFile.IsSameRun(begun, before.Record)) throw RunDirectoryException.Replaced(path);
        var json = before.With(addition);
        using var output = new OutputFile(file, Unchangeable, cancel);
        Writing(Unchangeable, () =>
        {
            WriteParquet(output.Aside, table, json.Metadata, cancel);
            json.Write(recordOutput.Aside);
        });
        cancel.ThrowIfCancellationRequested();
        output.Commit();
        recordOutput.Commit();
    }

    /// <summary>Whether a run holds a further table. Opens nothing.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="name"><c>validation</c>, <c>certificate</c>, <c>faithfulness</c>, <c>tokens</c>, <c>curve</c>, <c>heads</c> or
    /// <c>score_pairs</c>.</param>
    /// <exception cref="ArgumentException">No run holds a table of that name.</exception>
    public static bool HasTable(string path, string name) => File.Exists(TableFile(path, name));

    /// <summary>Reads a further table of a run.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="name">The table's name, such as <c>validation</c>.</param>
    /// <param name="columns">The columns to read, converted to these types; all of the file's, as they are, where none is given.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="RunDirectoryException">The run lacks the table (the message says which verb writes it),
    /// or the table lacks a column or is damaged.</exception>
    /// <exception cref="ArgumentException">No run holds a table of that name.</exception>
    internal static StoredTable ReadTable(string path, string name, IReadOnlyList<StoredColumn>? columns = null,
        CancellationToken cancel = default)
    {
        path = MergedRun.Locate(path);
        var table = FurtherTables.FileIn(path, name);
        var record = Path.Combine(path, RunNames.RecordFile);
        if (!File.Exists(record)) throw RunDirectoryException.Missing(record);
        var file = ParquetFile.Checked(path, table);
        return Reading(file, () => StoredTable.Load(file, columns, cancel));
    }

    /// <summary>Reads a further table of a run as the records that its rows are.</summary>
    /// <inheritdoc cref="ReadTable" path="/exception"/>
    internal static IReadOnlyList<TRow> ReadRows<TRow>(string path, CancellationToken cancel) where TRow : ITableRow<TRow> =>
        RowTable.Read<TRow>(ReadTable(path, TRow.Table, TRow.Columns, cancel), TableFile(path, TRow.Table));

    /// <summary>Where a further table of a run lies.</summary>
    /// <exception cref="ArgumentException">No run holds a table of that name.</exception>
    internal static string TableFile(string path, string name)
    {
        path = MergedRun.Locate(path);
        return Path.Combine(path, FurtherTables.FileIn(path, name));
    }

    /// <summary>Writes rows to a Parquet file of their own, aside and renamed when whole. Missing parent directories are made.</summary>
    /// <param name="file">Where to; where it is a link, to what that leads to.</param>
    /// <param name="rows">Of a table that may replace its own kind in a run.</param>
    /// <param name="force">Replace a file that is there already.</param>
    /// <param name="metadata">Goes into the file's key-value metadata.</param>
    /// <param name="cancel">Stops the writing, also inside DuckDB.</param>
    /// <exception cref="RunDirectoryException">As <see cref="CheckRowsFree{TRow}"/>,
    /// or the file cannot be written; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    internal static void WriteRows<TRow>(string file, IEnumerable<TRow> rows, bool force, IEnumerable<(string Name, string Text)> metadata,
        CancellationToken cancel) where TRow : ITableRow<TRow> =>
        WriteTable(PlaceOf<TRow>(file, force), RowTable.Of(rows), metadata, cancel);

    /// <summary>Refuses a file that <see cref="WriteRows"/> would refuse,
    /// before hours of work are spent on the rows. Changes nothing.</summary>
    /// <inheritdoc cref="ResultFile.RequireFree" path="/exception"/>
    internal static void CheckRowsFree<TRow>(string file, bool force) where TRow : ITableRow<TRow> =>
        RequireFree(PlaceOf<TRow>(file, force));

    /// <summary>Writes a table that is no run's.</summary>
    /// <inheritdoc cref="WriteRows"/>
    internal static void WriteTable(string file, StoredTable table, bool force, IEnumerable<(string Name, string Text)>? metadata = null,
        CancellationToken cancel = default) =>
        WriteTable(new ResultFile(ResultFile.Named(file), force) { Example = ExampleFile }, table, metadata ?? [], cancel);

    private static void WriteTable(ResultFile file, StoredTable table, IEnumerable<(string Name, string Text)> metadata,
        CancellationToken cancel)
    {
        RequireFree(file);
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(file.Path, why);
        using var output = new OutputFile(file.Path, Unwritable, cancel);
        Writing(Unwritable, () => WriteParquet(output.Aside, table, metadata, cancel));
        cancel.ThrowIfCancellationRequested();
        RequireFree(file);
        output.Commit();
    }

    private static ResultFile PlaceOf<TRow>(string file, bool force) where TRow : ITableRow<TRow> =>
        new(ResultFile.Named(file), force) { Example = ExampleFile, Table = FurtherTables.Names.Contains(TRow.Table) ? TRow.Table : null };

    private static void RequireFree(ResultFile file)
    {
        file.RequireFree();
        if (Path.GetExtension(file.Path) is not ("" or ".parquet")) throw RunDirectoryException.NoParquetName(file.Path);
    }

    private static string FileFor(string name, StoredTable table) =>
        table.Columns.Any(column => column.Name.Equals(RunColumn, StringComparison.OrdinalIgnoreCase))
            ? throw new ArgumentException($"A table of a run has no column '{RunColumn}': queries over many runs add it.", nameof(table))
            : FurtherTables.File(name);

    private static void CheckFinished(string path)
    {
        RunFile.Read(Path.Combine(path, RunNames.RecordFile));
        ParquetFile.Checked(path, RunNames.NodesFile);
        ParquetFile.Checked(path, RunNames.EdgesFile);
    }

    private static void WriteParquet(string file, StoredTable table, IEnumerable<(string Name, string Text)> metadata,
        CancellationToken cancel)
    {
        // rows are streamed, so it stays unmade
        var spill = Path.Combine(Path.GetTempPath(), $"onnx-attribution-table-{Guid.NewGuid():N}");
        using var writer = new RunTables(spill, metadata);
        writer.WriteTable(file, table, cancel);
    }

    private static void Writing(Func<Exception, Exception> unwritable, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw unwritable(e);
        }
    }
}
