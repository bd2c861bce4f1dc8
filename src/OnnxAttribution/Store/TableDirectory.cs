using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A directory of Parquet tables that belong together, with a JSON file on how they were made, and no run.</summary>
/// <param name="what">What it holds, as messages say it, such as <c>clusters</c>.</param>
/// <param name="recordFile">The JSON file, by which such a directory is known.</param>
/// <param name="tables">Names of all tables that it may hold.</param>
internal sealed class TableDirectory(string what, string recordFile, IReadOnlyList<string> tables)
{
    /// <summary>Whether an entry that is neither table nor record belongs to such a directory too; gets its path.</summary>
    public Func<string, bool> IsFurther { get; init; } = _ => false;

    /// <summary>Refuses a place that the directory may not be written to. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off, or it is no directory of that kind,
    /// or lies in a run or a dataset.</exception>
    public void CheckFree(string path, bool force)
    {
        var full = Path.GetFullPath(path);
        DatasetDirectory.RequireOutsideOfRuns(full);
        if (File.Exists(full)) throw RunDirectoryException.Foreign(path, what);
        if (!Directory.Exists(full)) return;
        var names = Directory.EnumerateFileSystemEntries(full).Select(e => Path.GetFileName(e)!).ToList();
        if (names.Count == 0) return;
        if (!names.Contains(recordFile) || names.Exists(n => !IsOurs(full, n))) throw RunDirectoryException.Foreign(path, what);
        if (!force) throw RunDirectoryException.Exists(path, what);
    }

    /// <summary>Writes the directory, whole or not at all.</summary>
    /// <inheritdoc cref="CheckFree" path="/exception"/>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public void Write(string path, bool force, TableContents contents, CancellationToken cancel)
    {
        CheckFree(path, force);
        var full = Path.GetFullPath(path);
        try
        {
            if (AsideName.RemoveLeftovers(full)) throw RunDirectoryException.Busy(path);
            using var output = new OutputDirectory(full);
            var spill = Path.Combine(output.Aside, ".spill");
            using (var writer = new RunTables(spill, []))
            {
                foreach (var (name, table) in contents.Tables)
                {
                    writer.WriteTable(Path.Combine(output.Aside, name + ".parquet"), table, cancel);
                }
            }
            if (Directory.Exists(spill)) Directory.Delete(spill, recursive: true);
            contents.WriteFurther?.Invoke(output.Aside);
            File.WriteAllText(Path.Combine(output.Aside, recordFile), RunJson.Written(contents.Record), new UTF8Encoding(false));
            cancel.ThrowIfCancellationRequested();
            output.Commit();
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(path, e);
        }
    }

    /// <summary>The record of such a directory.</summary>
    /// <param name="maker">What makes one.</param>
    /// <exception cref="RunDirectoryException">There is none, or it is damaged.</exception>
    public T ReadRecord<T>(string path, JsonTypeInfo<T> type, StepKind maker) where T : class
    {
        var file = Path.Combine(path, recordFile);
        if (!File.Exists(file)) throw RunDirectoryException.NoTables(path, what, recordFile, new NextStep(maker));
        try
        {
            return JsonSerializer.Deserialize(RegularFile.ReadAllText(file), type) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.Corrupt(file, JsonFault.Words(e), e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    // by its whole name: who replaces the directory loses all that is in it
    private bool IsOurs(string full, string name)
    {
        var path = Path.Combine(full, name);
        return AsideName.PlaceOf(name) is not null || IsFurther(path)
            || (File.Exists(path) && (name == recordFile || tables.Any(table => name == table + ".parquet")));
    }
}

/// <summary>All that is written into such a directory.</summary>
/// <param name="Tables">By name, those that there are.</param>
/// <param name="WriteFurther">Writes what else there is into the directory that it gets; null: nothing.</param>
internal sealed record TableContents(JsonObject Record, IReadOnlyDictionary<string, StoredTable> Tables,
    Action<string>? WriteFurther = null);
