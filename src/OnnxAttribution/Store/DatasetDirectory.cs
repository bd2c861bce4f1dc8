using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A dataset: the graphs of many prompts in <c>nodes</c>, <c>edges</c> and <c>prompts</c>, each a folder of Parquet parts, and
/// dataset.json. A part is a range of prompts, and each of its files is there whole or not at all.</summary>
internal sealed partial class DatasetDirectory
{
    private const int Format = 1;

    private DatasetDirectory(string path, DatasetRecord record) => (Path, Record) = (path, record);

    /// <summary>Absolute.</summary>
    public string Path { get; }

    public DatasetRecord Record { get; }

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
        if (!DatasetNames.Is(path))
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
        if (DatasetNames.Is(path))
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
    /// <exception cref="RunDirectoryException">It is no dataset, or dataset.json is damaged, or of a later layout.</exception>
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
            throw RunDirectoryException.IsNoDataset(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    /// <summary>A part's file of a table.</summary>
    public string File(string table, int part) => System.IO.Path.Combine(Path, table, DatasetNames.Part(part));

    /// <summary>The rows of a part's table.</summary>
    /// <exception cref="RunDirectoryException">The file is missing or damaged.</exception>
    public IReadOnlyList<TRow> Rows<TRow>(int part, CancellationToken cancel) where TRow : ITableRow<TRow>
    {
        var file = File(TRow.Table, part);
        return RowTable.Read<TRow>(StoredTable.Read(file, cancel), file);
    }

    /// <summary>Whether all files of a part are there and begin and end as Parquet does; of a further table where there is one, and of what
    /// the mean is made from while there is no mean.</summary>
    public bool IsWhole(int part) => DatasetNames.Tables.All(table => ParquetFile.IsWhole(File(table, part)))
        && FurtherTables.Names.Select(table => File(table, part)).Where(System.IO.File.Exists).All(ParquetFile.IsWhole)
        && (HasMean || DatasetNames.FirstSums.All(table => ParquetFile.IsWhole(File(table, part))));

    /// <summary>Removes what dead writers left beside the files, also of parts that are whole.</summary>
    public void RemoveLeftovers()
    {
        string[] folders = [.. DatasetNames.Tables, .. FurtherTables.Names, DatasetNames.Sums, .. DatasetNames.FirstSums,
            .. DatasetNames.SecondSums, RunNames.Mean, ""];
        foreach (var folder in folders.Select(t => System.IO.Path.Combine(Path, t)))
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
    public int FailuresIn(IReadOnlyList<int> parts, CancellationToken cancel) => parts.Count == 0 ? 0
        : Reading([.. parts.Select(part => File(DatasetNames.Prompts, part))], (database, files) =>
        {
            using var rows = database.Query($"SELECT count(*) FROM {ParquetFile.Sql(files)} WHERE error IS NOT NULL", cancel);
            return rows.Read() ? (int)rows.Value<long>(0) : 0;
        });

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

    /// <summary>Refuses a place in a run or a dataset: what holds other files could not be replaced any more.</summary>
    /// <param name="full">Absolute.</param>
    /// <exception cref="RunDirectoryException">It lies in one.</exception>
    public static void RequireOutsideOfRuns(string full)
    {
        for (var above = System.IO.Path.GetDirectoryName(full); above is not null; above = System.IO.Path.GetDirectoryName(above))
        {
            if (DatasetNames.Is(above)) throw RunDirectoryException.InADataset(full, above);
            if (PendingRun.IsRun(above)) throw RunDirectoryException.InARun(full, above);
        }
    }

    /// <summary>Refuses two datasets that were asked for different things, by the first key that differs.</summary>
    /// <exception cref="RunDirectoryException">They were.</exception>
    public static void RequireSame(DatasetDirectory one, DatasetDirectory other)
    {
        if (Difference(one.Record, other.Record) is { } d) throw RunDirectoryException.OtherDatasets(one.Path, other.Path, d);
    }

    // what was asked for, key by key: the first that differs is named
    private static void RequireSame(DatasetRecord there, DatasetRecord asked, string file)
    {
        if (Difference(there, asked) is { } d) throw RunDirectoryException.OtherDataset(file, d.Key, d.One, d.Other);
    }

    private static (string Key, string One, string Other)? Difference(DatasetRecord there, DatasetRecord asked)
    {
        var (one, other) = (Flat(there), Flat(asked));
        foreach (var key in one.Keys.Union(other.Keys))
        {
            var (before, now) = (one.GetValueOrDefault(key, "null"), other.GetValueOrDefault(key, "null"));
            if (before != now) return (key, before, now);
        }
        return null;
    }

    private static Dictionary<string, string> Flat(DatasetRecord record)
    {
        var json = JsonSerializer.SerializeToNode(record, RunJson.Default.DatasetRecord)!.AsObject();
        return json.Where(k => k.Value is not JsonObject).Concat(json.Where(k => k.Value is JsonObject)
                .SelectMany(k => k.Value!.AsObject().Select(o => KeyValuePair.Create($"{k.Key}.{o.Key}", o.Value))))
            .ToDictionary(k => k.Key, k => k.Value?.ToJsonString() ?? "null");
    }
}
