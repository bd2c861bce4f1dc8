using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A dataset: the graphs of many prompts in <c>nodes</c>, <c>edges</c> and <c>prompts</c>, each a folder of Parquet parts, and
/// dataset.json. A part is a range of prompts, and each of its files is there whole or not at all.</summary>
internal sealed class DatasetDirectory
{
    private const int Format = 1;

    private DatasetDirectory(string path, DatasetRecord record) => (Path, Record) = (path, record);

    /// <summary>Absolute.</summary>
    public string Path { get; }

    public DatasetRecord Record { get; }

    /// <summary>Whether a directory is a dataset, or was begun as one.</summary>
    public static bool Is(string path) => System.IO.File.Exists(System.IO.Path.Combine(path, RunNames.DatasetFile));

    /// <summary>Refuses a path that <see cref="Begin"/> would refuse whatever is asked. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there that is no dataset, or one that is not to be gone on with.</exception>
    public static void CheckFree(string path, bool resume)
    {
        RequireOutsideOfRuns(System.IO.Path.GetFullPath(path));
        if (System.IO.File.Exists(path) || (new FileInfo(path).LinkTarget is not null && !Directory.Exists(path)))
        {
            throw RunDirectoryException.NoDataset(path);
        }
        if (!Directory.Exists(path)) return;
        if (!Is(path))
        {
            if (Directory.EnumerateFileSystemEntries(path).Any(e => AsideName.PlaceOf(System.IO.Path.GetFileName(e)) is null))
            {
                throw RunDirectoryException.NoDataset(path);
            }
        }
        else if (!resume)
        {
            throw RunDirectoryException.DatasetExists(path);
        }
    }

    /// <summary>Makes the dataset, or goes on with the one that is there.</summary>
    /// <param name="path">The directory; missing ones above it are made.</param>
    /// <param name="record">What is asked for.</param>
    /// <param name="resume">Whether one that is there is gone on with. Shards of one dataset may begin it at once, then it is.</param>
    /// <param name="cancel">Ends the waiting for another that begins it.</param>
    /// <exception cref="RunDirectoryException">As <see cref="CheckFree"/>, or the dataset that is there was asked for something else.
    /// </exception>
    public static DatasetDirectory Begin(string path, DatasetRecord record, bool resume, CancellationToken cancel)
    {
        CheckFree(path, resume);
        var file = System.IO.Path.Combine(System.IO.Path.GetFullPath(path), RunNames.DatasetFile);
        record = record with { FormatVersion = Format };
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(path, why);
        using var output = new OutputFile(file, Unwritable, cancel);
        // looked for while nobody else can begin it
        if (Is(path))
        {
            if (!resume) throw RunDirectoryException.DatasetExists(path);
            RequireSame(Read(path).Record, record, file);
        }
        else
        {
            var json = RunJson.Written(JsonSerializer.SerializeToNode(record, RunJson.Default.DatasetRecord)!);
            output.Fill(stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(json)));
            output.Commit();
        }
        return new(System.IO.Path.GetFullPath(path), record);
    }

    /// <summary>Opens a dataset that is there.</summary>
    /// <exception cref="RunDirectoryException">dataset.json is missing or damaged, or of a later layout.</exception>
    public static DatasetDirectory Read(string path)
    {
        var file = System.IO.Path.Combine(System.IO.Path.GetFullPath(path), RunNames.DatasetFile);
        try
        {
            var record = JsonSerializer.Deserialize(RegularFile.ReadAllText(file), RunJson.Default.DatasetRecord);
            if (record is not { FormatVersion: > 0, Prompts: > 0, PartSize: > 0 })
            {
                throw RunDirectoryException.Corrupt(file, "it does not say of how many prompts it is, and in which parts");
            }
            if (record.FormatVersion > Format)
            {
                throw RunDirectoryException.Corrupt(file, $"its format_version is {record.FormatVersion}, and {Format} is read here");
            }
            return new(System.IO.Path.GetDirectoryName(file)!, record);
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.Corrupt(file, $"it is not what it has to be, at line {e.LineNumber + 1}", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw RunDirectoryException.Missing(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    /// <summary>A part's file of a table.</summary>
    public string File(string table, int part) => System.IO.Path.Combine(Path, table, DatasetNames.Part(part));

    /// <summary>Whether all files of a part are there and begin and end as Parquet does; of a further table where there is one.</summary>
    public bool IsWhole(int part) => DatasetNames.Tables.All(table => ParquetFile.IsWhole(File(table, part)))
        && FurtherTables.Names.Select(table => File(table, part)).Where(System.IO.File.Exists).All(ParquetFile.IsWhole);

    /// <summary>Removes what dead writers left beside the files, also of parts that are whole.</summary>
    public void RemoveLeftovers()
    {
        foreach (var folder in DatasetNames.Tables.Concat(FurtherTables.Names).Select(t => System.IO.Path.Combine(Path, t)).Append(Path))
        {
            if (!Directory.Exists(folder)) continue;
            foreach (var place in Directory.EnumerateFileSystemEntries(folder).Select(e => AsideName.PlaceOf(System.IO.Path.GetFileName(e)))
                .OfType<string>().Distinct().ToList())
            {
                AsideName.RemoveLeftovers(System.IO.Path.Combine(folder, place));
            }
        }
    }

    /// <summary>How many prompts of whole parts have no graph.</summary>
    /// <exception cref="RunDirectoryException">A file is damaged.</exception>
    public int FailuresIn(IReadOnlyList<int> parts, CancellationToken cancel)
    {
        if (parts.Count == 0) return 0;
        string[] files = [.. parts.Select(part => File(DatasetNames.Prompts, part))];
        using var database = DuckDbDatabase.OpenInMemory(("temp_directory", System.IO.Path.Combine(Path, ".spill")));
        try
        {
            using var rows = database.Query($"SELECT count(*) FROM {ParquetFile.Sql(files)} WHERE error IS NOT NULL", cancel);
            return rows.Read() ? (int)rows.Value<long>(0) : 0;
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(
                Array.Find(files, f => e.Message.Contains(f, StringComparison.Ordinal) || !ParquetFile.IsReadable(f)) ?? files[0], e);
        }
    }

    /// <summary>The parts that are there, ascending: those with a file of prompts.</summary>
    public IReadOnlyList<int> Parts
    {
        get
        {
            // as the folder lists them: how many there may be is only what a file says
            var folder = System.IO.Path.Combine(Path, DatasetNames.Prompts);
            return !Directory.Exists(folder) ? [] : [.. Directory.EnumerateFiles(folder).Select(System.IO.Path.GetFileName)
                .Select(name => (Name: name, Part: DatasetNames.NumberOf(name!)))
                .Where(f => f.Part >= 0 && f.Part < Record.Parts && f.Name == DatasetNames.Part(f.Part)).Select(f => f.Part).Order()];
        }
    }

    // what holds other files could not be replaced any more
    private static void RequireOutsideOfRuns(string full)
    {
        for (var above = System.IO.Path.GetDirectoryName(full); above is not null; above = System.IO.Path.GetDirectoryName(above))
        {
            if (Is(above)) throw RunDirectoryException.InADataset(full, above);
            if (PendingRun.IsRun(above)) throw RunDirectoryException.InARun(full, above);
        }
    }

    // what was asked for, key by key: the first that differs is named
    private static void RequireSame(DatasetRecord there, DatasetRecord asked, string file)
    {
        var (one, other) = (Flat(there), Flat(asked));
        foreach (var key in one.Keys.Union(other.Keys))
        {
            var (before, now) = (one.GetValueOrDefault(key, "null"), other.GetValueOrDefault(key, "null"));
            if (before != now) throw RunDirectoryException.OtherDataset(file, key, before, now);
        }
    }

    private static Dictionary<string, string> Flat(DatasetRecord record)
    {
        var json = JsonSerializer.SerializeToNode(record, RunJson.Default.DatasetRecord)!.AsObject();
        return json.Where(k => k.Value is not JsonObject).Concat(json.Where(k => k.Value is JsonObject)
                .SelectMany(k => k.Value!.AsObject().Select(o => KeyValuePair.Create($"{k.Key}.{o.Key}", o.Value))))
            .ToDictionary(k => k.Key, k => k.Value?.ToJsonString() ?? "null");
    }
}
