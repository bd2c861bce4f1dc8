using OnnxAttribution.Runtime;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>What a run directory is written from.</summary>
/// <param name="Nodes">All nodes, each (site, position, feature) once; written in this order.</param>
/// <param name="Edges">Edges in any order and any chunks; enumerated once, and each chunk copied before the next is asked for.
/// Sorted when written by (down_site, down_position, down_feature, |effect| falling).</param>
/// <param name="MetricPosition">The token position the metric is read at.</param>
/// <param name="Record">run.json; its top-level strings, numbers and booleans also go into
/// the key-value metadata of the Parquet files.</param>
internal sealed record RunContents(IReadOnlyList<NodeRow> Nodes, IEnumerable<ReadOnlyMemory<CausalEdge>> Edges, int MetricPosition,
    RunRecord Record)
{
    /// <summary>Bytes that edges may take in memory while they are sorted, two times over; more are sorted in files.</summary>
    public long EdgeBytes { get; init; } = RunContext.DefaultMemoryBudget / 4;

    /// <summary>What switched on, in any order; it stands in edges.parquet among the edges.</summary>
    public IReadOnlyList<SwitchedOnRow> SwitchedOn { get; init; } = [];

    /// <summary>Further tables by name, each written to <c>name.parquet</c> in the same step.</summary>
    public IReadOnlyDictionary<string, StoredTable> Tables { get; init; } = new Dictionary<string, StoredTable>();

    /// <summary>Columns of nodes.parquet beside its own, by the columns that name a row there; null: none.</summary>
    public KeyedColumns? OfNodes { get; init; }

    /// <summary>Columns of edges.parquet beside its own, likewise.</summary>
    public KeyedColumns? OfEdges { get; init; }
}

/// <summary>Columns for rows of another table.</summary>
/// <param name="Table">Keys, each row's once, and the columns.</param>
/// <param name="Keys">Names of the keys, in both tables; NULL is a key too.</param>
internal sealed record KeyedColumns(StoredTable Table, IReadOnlyList<string> Keys);
