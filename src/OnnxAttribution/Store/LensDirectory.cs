using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A directory of what a lens shows: lens.json, Parquet tables, and figures that were drawn of them.</summary>
internal static class LensDirectory
{
    private const string RecordFile = "lens.json";

    private static readonly TableDirectory s_directory =
        new("a lens", RecordFile, [LensRow.Table, LensTokenRow.Table, SummandRow.Table]) { IsFurther = IsFigure };

    /// <inheritdoc cref="TableDirectory.CheckFree"/>
    public static void CheckFree(string path, bool force) => s_directory.CheckFree(path, force);

    /// <inheritdoc cref="TableDirectory.Write"/>
    public static void Write(string path, bool force, TableContents contents, CancellationToken cancel) =>
        s_directory.Write(path, force, contents, cancel);

    /// <summary>The record as the object that lens.json is.</summary>
    public static JsonObject ToObject(LensRecord record) =>
        JsonSerializer.SerializeToNode(record, RunJson.Default.LensRecord)!.AsObject();

    /// <summary>The record and the rows of one table.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static (LensRecord Record, IReadOnlyList<TRow> Rows) Read<TRow>(string path, CancellationToken cancel)
        where TRow : ITableRow<TRow>
    {
        var (record, file) = (ReadRecord(path), Path.Combine(path, TRow.Table + ".parquet"));
        return (record, RowTable.Read<TRow>(StoredTable.Read(file, cancel), file));
    }

    /// <inheritdoc cref="TableDirectory.ReadRecord"/>
    public static LensRecord ReadRecord(string path) => s_directory.ReadRecord(path, RunJson.Default.LensRecord, StepKind.ReadLens);

    // as view names it where nothing else is asked for
    private static bool IsFigure(string path) => File.Exists(path) && Path.GetExtension(path) is ".svg" or ".png" or ".pdf"
        && Path.GetFileNameWithoutExtension(path) is "lens" or "summands" or "lens-heads";
}
