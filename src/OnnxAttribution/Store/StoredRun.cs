using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>A run read back from its directory.</summary>
/// <param name="Nodes">In the file's order.</param>
/// <param name="Edges">In the file's order: by downstream site, position and feature, then by falling |effect|.</param>
/// <param name="MetricPosition">The token position the metric was read at; null where no edge leads into the metric.</param>
/// <param name="Record">run.json.</param>
public sealed record StoredRun(IReadOnlyList<NodeRow> Nodes, ReadOnlyMemory<CausalEdge> Edges, int? MetricPosition, RunRecord Record);
