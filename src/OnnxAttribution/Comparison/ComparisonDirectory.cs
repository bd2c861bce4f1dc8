using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

/// <summary>A directory of a comparison: comparison.json, compared_nodes.parquet and compared_edges.parquet.</summary>
internal static class ComparisonDirectory
{
    private static readonly TableDirectory s_directory =
        new("a comparison", "comparison.json", [ComparedTables.Nodes, ComparedTables.Edges]);

    /// <inheritdoc cref="TableDirectory.CheckFree"/>
    public static void CheckFree(string path, bool force) => s_directory.CheckFree(path, force);

    /// <inheritdoc cref="TableDirectory.Write"/>
    public static void Write(string path, bool force, RunComparison comparison, CancellationToken cancel) =>
        s_directory.Write(path, force, new(ComparisonJson.Of(comparison, strongest: 0), new Dictionary<string, StoredTable>
        {
            [ComparedTables.Nodes] = RowTable.Of(comparison.Nodes),
            [ComparedTables.Edges] = RowTable.Of(comparison.Edges),
        }), cancel);
}
