using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A directory of a direction's trace: trace.json, Parquet tables, and the figure that was drawn of them.</summary>
internal static class TraceDirectory
{
    private const string RecordFile = "trace.json";

    private static readonly TableDirectory s_directory =
        new("a trace", RecordFile, [TraceRow.Table, TraceHeadRow.Table, TraceFeatureRow.Table]) { IsFurther = IsFigure };

    /// <inheritdoc cref="TableDirectory.CheckFree"/>
    public static void CheckFree(string path, bool force) => s_directory.CheckFree(path, force);

    /// <inheritdoc cref="TableDirectory.Write"/>
    public static void Write(string path, bool force, TableContents contents, CancellationToken cancel) =>
        s_directory.Write(path, force, contents, cancel);

    /// <summary>The record as the object that trace.json is.</summary>
    public static JsonObject ToObject(TraceRecord record) =>
        JsonSerializer.SerializeToNode(record, RunJson.Default.TraceRecord)!.AsObject();

    /// <inheritdoc cref="TableDirectory.ReadRecord"/>
    public static TraceRecord ReadRecord(string path) =>
        s_directory.ReadRecord(path, RunJson.Default.TraceRecord, StepKind.FollowDirection);

    /// <summary>The rows of a table; none where there is no such file.</summary>
    /// <exception cref="RunDirectoryException">The file is damaged.</exception>
    public static IReadOnlyList<TRow> Read<TRow>(string path, CancellationToken cancel) where TRow : ITableRow<TRow>
    {
        var file = Path.Combine(path, TRow.Table + ".parquet");
        return File.Exists(file) ? RowTable.Read<TRow>(StoredTable.Read(file, cancel), file) : [];
    }

    // as view names it where nothing else is asked for
    private static bool IsFigure(string path) => File.Exists(path) && Path.GetExtension(path) is ".svg" or ".png" or ".pdf"
        && Path.GetFileNameWithoutExtension(path) == "trace";
}
