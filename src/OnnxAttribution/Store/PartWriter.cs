using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>Files of a dataset's part being written. Rows lie aside in pieces until <see cref="Put"/> makes a file of them.
/// Who makes it disposes it; what was not put in its place does not stay.</summary>
internal sealed class PartWriter : IDisposable
{
    private readonly DatasetDirectory _dataset;
    private readonly int _number;
    private readonly OutputDirectory _aside;
    private readonly CancellationToken _cancel;

    private PartWriter(DatasetDirectory dataset, int number, OutputDirectory aside, CancellationToken cancel) =>
        (_dataset, _number, _aside, _cancel) = (dataset, number, aside, cancel);

    /// <param name="folder">Of the dataset, in which the part is claimed; empty: the dataset's own.</param>
    /// <returns>Null: another program writes the part.</returns>
    /// <exception cref="RunDirectoryException">The dataset cannot be written.</exception>
    public static PartWriter? TryBegin(DatasetDirectory dataset, string folder, int number, CancellationToken cancel)
    {
        var place = Path.Combine(dataset.Path, folder, Path.GetFileNameWithoutExtension(DatasetNames.Part(number)));
        try
        {
            return AsideName.RemoveLeftovers(place) ? null : new PartWriter(dataset, number, new OutputDirectory(place), cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(dataset.Path, e);
        }
    }

    /// <summary>A directory for what DuckDB's memory does not hold.</summary>
    public string Spill => Path.Combine(_aside.Aside, "spill");

    /// <summary>A piece's file.</summary>
    public string Aside(string table, int piece) => Path.Combine(_aside.Aside, $"{table.Replace('/', '-')}-{piece}.parquet");

    /// <summary>A database for <see cref="Put"/>; the caller's.</summary>
    // one thread: the same rows are the same bytes
    public DuckDbDatabase Open() => DuckDbLender.Lend(Spill, ("threads", "1"));

    /// <summary>Writes a piece.</summary>
    public void Write<TRow>(string table, int piece, IEnumerable<TRow> rows) where TRow : ITableRow<TRow>
    {
        using var tables = new RunTables(Spill, []);
        tables.WriteTable(Aside(table, piece), RowTable.Of(rows), _cancel);
    }

    /// <summary>Writes a table's file and puts it in its place.</summary>
    /// <param name="select">In SQL.</param>
    public void Put(DuckDbDatabase database, string table, string select)
    {
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(_dataset.Path, why);
        using var output = new OutputFile(_dataset.File(table, _number), Unwritable, _cancel);
        database.Execute($"COPY ({select}) TO {SqlText.Literal(output.Aside)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)",
            _cancel);
        _cancel.ThrowIfCancellationRequested();
        output.Commit();
    }

    /// <summary>Does something to files, and says it of the dataset where they refuse.</summary>
    /// <exception cref="RunDirectoryException">The disk is full, or the like.</exception>
    public void Writing(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_dataset.Path, e);
        }
    }

    public void Dispose() => _aside.Dispose();
}
