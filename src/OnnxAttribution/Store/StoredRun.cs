using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>A run read back from its directory.</summary>
/// <param name="Nodes">All rows of nodes.parquet, in the file's order.</param>
/// <param name="Edges">[edges], in the file's order; ends are indices of nodes. By downstream site, position and feature, then by falling
/// |effect|.</param>
/// <param name="MetricPosition">The token position from 0, BOS counted, that the metric was read at; null where no edge leads into the
/// metric.</param>
/// <param name="Record">What run.json holds; its type says the kind of run.</param>
public sealed record StoredRun(IReadOnlyList<NodeRow> Nodes, ReadOnlyMemory<CausalEdge> Edges, int? MetricPosition, RunRecord Record)
{
    /// <summary>What switched on, in the file's order; empty unless the edges are exact.</summary>
    public IReadOnlyList<SwitchedOnRow> SwitchedOn { get; init; } = [];
}
