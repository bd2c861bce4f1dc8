using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>The directory a run leaves: <c>nodes.parquet</c>, <c>edges.parquet</c> and <c>run.json</c>, whole or not at all.
/// Further tables come with them, or are added later: <c>validation</c>, <c>certificate</c>, <c>faithfulness</c>, <c>tokens</c>,
/// <c>curve</c>.</summary>
public static partial class RunDirectory
{
    /// <summary>What edges.parquet calls the metric in <c>down_site</c>.</summary>
    public const string MetricSite = RunNames.MetricSite;

    private const string SpillDirectory = "spill";

    /// <summary>Refuses a path that <see cref="Write"/> would refuse, before hours of work are spent on the run. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off, or it is not a run.</exception>
    internal static void CheckFree(string path, bool force) => PendingRun.Check(path, force);

    /// <summary>Writes a run beside its place and renames it when whole. Missing parent directories are made.</summary>
    /// <param name="path">The run directory to make.</param>
    /// <param name="run">What it is to hold.</param>
    /// <param name="force">Replace a run that is there already. Nothing but a run is ever replaced.</param>
    /// <param name="cancel">Stops the writing, also inside DuckDB.</param>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="ArgumentException">An edge names no node,
    /// a node is there twice, or a table's name is not one of a run's.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    /// <remarks>10 million edges take 0.3 GB for sorting, beside the caller's own copy,
    /// and DuckDB about as much for one row group at a time.</remarks>
    internal static void Write(string path, RunContents run, bool force, CancellationToken cancel = default) =>
        WriteInto(path, null, run, force, cancel);

    /// <summary>Writes the mean of a batch's runs, in the place of an older one, wherever in <c>merged</c> that lies.</summary>
    /// <param name="batch">The directory that the runs are in.</param>
    /// <returns>The run directory.</returns>
    /// <inheritdoc cref="Write"/>
    internal static string WriteMean(string batch, RunContents run, bool force, CancellationToken cancel)
    {
        var path = Path.Combine(batch, MergedRun.Name);
        WriteInto(path, RunNames.Mean, run, force, cancel);
        return Path.Combine(path, RunNames.Mean);
    }

    /// <summary>Refuses a batch in which <see cref="WriteMean"/> would refuse the mean's place. Changes nothing.</summary>
    /// <inheritdoc cref="CheckFree" path="/exception"/>
    internal static void CheckMeanFree(string batch, bool force) =>
        PendingRun.Check(Path.Combine(batch, MergedRun.Name), force, RunNames.Mean);

    private static void WriteInto(string path, string? inner, RunContents run, bool force, CancellationToken cancel)
    {
        var further = run.Tables.Select(table => (File: FileFor(table.Key, table.Value), table.Value)).ToList();
        cancel.ThrowIfCancellationRequested();
        using var place = new PendingRun(path, force, inner);
        // outside the try: what the producer throws is the producer's
        var ends = EdgeKeys.Of(run.Nodes, run.MetricPosition) with { SignOfClean = run.Record.SignOfClean };
        var spill = Path.Combine(place.Temporary, SpillDirectory);
        var circuits = new SeparateCircuits(run.Nodes.Count, EdgeOrder.Ranks(ends));
        var sorted = EdgeOrder.Sort(ends, circuits.Seeing(run.Edges), run.SwitchedOn, new SpillRoom(run.EdgeBytes, spill), cancel);
        ends = ends with { Circuits = circuits.Numbers() };
        try
        {
            var json = RunFile.Of(run.Record);
            using (var writer = new RunTables(spill, json.Metadata))
            {
                var (nodes, edges) = (Path.Combine(place.Temporary, RunNames.NodesFile), Path.Combine(place.Temporary, RunNames.EdgesFile));
                writer.WriteNodes(nodes, run.Nodes, ends, cancel);
                writer.WriteEdges(edges, ends, sorted, cancel);
                if (run.OfNodes is { } ofNodes) writer.AddColumns(nodes, ofNodes, cancel);
                if (run.OfEdges is { } ofEdges) writer.AddColumns(edges, ofEdges, cancel);
                foreach (var (file, table) in further) writer.WriteTable(Path.Combine(place.Temporary, file), table, cancel);
            }
            if (Directory.Exists(spill)) Directory.Delete(spill, recursive: true);
            json.Write(Path.Combine(place.Temporary, RunNames.RecordFile));
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(path, e);
        }
        cancel.ThrowIfCancellationRequested();
        place.Commit();
    }
}
