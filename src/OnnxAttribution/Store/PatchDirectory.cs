using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A directory of activation patching: patching.json, patching.parquet, and figures of them.</summary>
internal static class PatchDirectory
{
    private const string RecordFile = "patching.json";

    private static readonly TableDirectory s_directory = new("activation patching", RecordFile, [PatchRow.Table])
    {
        IsFurther = path => File.Exists(path) && Path.GetFileName(path) is "patching.svg" or "patching.png" or "patching.pdf"
    };

    /// <summary>Where the table lies in the directory.</summary>
    public static string TableFile(string path) => Path.Combine(path, PatchRow.Table + ".parquet");

    /// <inheritdoc cref="TableDirectory.CheckFree"/>
    public static void CheckFree(string path, bool force) => s_directory.CheckFree(path, force);

    /// <inheritdoc cref="TableDirectory.Write"/>
    public static void Write(string path, bool force, PatchRecord record, StoredTable rows, CancellationToken cancel) =>
        s_directory.Write(path, force, new(RunJson.ToObject(record), new Dictionary<string, StoredTable> { [PatchRow.Table] = rows }),
            cancel);

    /// <summary>Reads what was written.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static (PatchRecord Record, IReadOnlyList<PatchRow> Rows) Read(string path, CancellationToken cancel)
    {
        var (record, file) = (Path.Combine(path, RecordFile), TableFile(path));
        if (!File.Exists(record)) throw RunDirectoryException.NoPatching(path, RecordFile);
        if (!File.Exists(file)) throw RunDirectoryException.Missing(file);
        return (ReadRecord(record), RowTable.Read<PatchRow>(StoredTable.Read(file, cancel), file));
    }

    private static PatchRecord ReadRecord(string file)
    {
        try
        {
            return JsonNode.Parse(RegularFile.ReadAllBytes(file)) is JsonObject json ? RunJson.ToPatchRecord(json)
                : throw RunDirectoryException.Corrupt(file, "it is no JSON object");
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.Corrupt(file, JsonFault.Words(e), e);
        }
    }
}
