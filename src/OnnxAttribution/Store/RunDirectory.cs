using System.Collections.Frozen;
using System.Text.Json.Nodes;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>The directory a run leaves: <c>nodes.parquet</c>, <c>edges.parquet</c> and <c>run.json</c>, whole or not at all.
/// Further tables come with them, or are added later: <c>validation</c>, <c>faithfulness</c>, <c>tokens</c>, <c>curve</c>.</summary>
public static partial class RunDirectory
{
    /// <summary>What edges.parquet calls the metric in <c>down_site</c>.</summary>
    public const string MetricSite = "metric";

    internal const string NodesFile = "nodes.parquet";
    internal const string EdgesFile = "edges.parquet";
    internal const string FactsFile = "run.json";
    private const string SpillDirectory = "spill";

    /// <summary>Names of all files a run may hold, but for drawings.</summary>
    internal static IReadOnlyList<string> Files { get; } =
        [NodesFile, EdgesFile, FactsFile, .. FurtherTables.Names.Concat(FurtherTables.Renamed.Keys).Select(table => table + ".parquet")];

    /// <summary>Refuses a path that <see cref="Write"/> would refuse, before hours of work are spent on the run. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off, or it is not a run.</exception>
    public static void CheckFree(string path, bool force) => PendingRun.Check(path, force);

    /// <summary>Writes a run beside its place and renames it when whole. Missing parent directories are made.</summary>
    /// <param name="path">The run directory to make.</param>
    /// <param name="nodes">All nodes, each (site, position, feature) once; written in this order.</param>
    /// <param name="edges">Edges in any order and any chunks; enumerated once, and each chunk copied before the next is asked for.
    /// Sorted here by (down_site, down_position, down_feature, |effect| falling).</param>
    /// <param name="metricPosition">The token position the metric is read at.</param>
    /// <param name="run">run.json; its top-level strings, numbers and booleans also go
    /// into the key-value metadata of both Parquet files.</param>
    /// <param name="force">Replace a run that is there already. Nothing but a run is ever replaced.</param>
    /// <param name="cancel">Stops the writing, also inside DuckDB.</param>
    /// <param name="tables">Further tables by name, each written to <c>name.parquet</c> in the same step.</param>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="ArgumentException">An edge names no node,
    /// a node is there twice, or a table's name is not one of a run's.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    /// <remarks>10 million edges take 0.3 GB for sorting, beside the caller's own copy,
    /// and DuckDB about as much for one row group at a time.</remarks>
    public static void Write(
        string path, IReadOnlyList<NodeRow> nodes, IEnumerable<ReadOnlyMemory<CausalEdge>> edges, int metricPosition,
        JsonObject run, bool force, CancellationToken cancel = default, IReadOnlyDictionary<string, StoredTable>? tables = null) =>
        WriteInto(path, null, nodes, edges, metricPosition, run, force, cancel, tables);

    /// <summary>Writes the mean of a batch's runs, in the place of an older one, wherever in <c>merged</c> that lies.</summary>
    /// <param name="batch">The directory that the runs are in.</param>
    /// <returns>The run directory.</returns>
    /// <inheritdoc cref="Write"/>
    internal static string WriteMean(
        string batch, IReadOnlyList<NodeRow> nodes, IEnumerable<ReadOnlyMemory<CausalEdge>> edges, int metricPosition, JsonObject run,
        bool force, CancellationToken cancel)
    {
        var path = Path.Combine(batch, MergedRun.Name);
        WriteInto(path, MergedRun.Mean, nodes, edges, metricPosition, run, force, cancel, null);
        return Path.Combine(path, MergedRun.Mean);
    }

    /// <summary>Refuses a batch in which <see cref="WriteMean"/> would refuse the mean's place. Changes nothing.</summary>
    /// <inheritdoc cref="CheckFree" path="/exception"/>
    internal static void CheckMeanFree(string batch, bool force) =>
        PendingRun.Check(Path.Combine(batch, MergedRun.Name), force, MergedRun.Mean);

    private static void WriteInto(
        string path, string? inner, IReadOnlyList<NodeRow> nodes, IEnumerable<ReadOnlyMemory<CausalEdge>> edges, int metricPosition,
        JsonObject run, bool force, CancellationToken cancel, IReadOnlyDictionary<string, StoredTable>? tables)
    {
        var further = (tables ?? FrozenDictionary<string, StoredTable>.Empty)
            .Select(table => (FileFor(table.Key, table.Value), table.Value))
            .ToList();
        cancel.ThrowIfCancellationRequested();
        using var place = new PendingRun(path, force, inner);
        var sorted = EdgeOrder.Sort(nodes, metricPosition, edges, cancel);   // outside the try: what the producer throws is the producer's
        try
        {
            var spill = Path.Combine(place.Temporary, SpillDirectory);
            using (var writer = new RunTables(spill, run))
            {
                writer.WriteNodes(Path.Combine(place.Temporary, NodesFile), nodes, cancel);
                writer.WriteEdges(Path.Combine(place.Temporary, EdgesFile), nodes, metricPosition, sorted, cancel);
                foreach (var (file, table) in further) writer.WriteTable(Path.Combine(place.Temporary, file), table, cancel);
            }
            if (Directory.Exists(spill)) Directory.Delete(spill, recursive: true);
            RunFacts.Write(Path.Combine(place.Temporary, FactsFile), run);
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(path, e);
        }
        cancel.ThrowIfCancellationRequested();
        place.Commit();
    }
}
