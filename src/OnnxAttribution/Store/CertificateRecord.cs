namespace OnnxAttribution.Store;

/// <summary>How large what a graph has left out can be. With confidence <see cref="Confidence"/> the two shares of the nodes hold, as
/// do the two of the edges, and the bound on the largest node.</summary>
public sealed record CertificateRecord
{
    /// <summary>How many dropped nodes, how many subsets of them and how many dropped edges were to be really patched.</summary>
    public required int Samples { get; init; }

    /// <summary>Seed of the draws.</summary>
    public required int Seed { get; init; }

    /// <summary>Which model was run: <c>real</c>, or of a graph of transcoders <c>replacement</c>; null in runs of earlier versions, which
    /// means <c>real</c>.</summary>
    public string? Model { get; init; }

    /// <summary>How sure each bound is to hold: 0.95, no unit.</summary>
    public required double Confidence { get; init; }

    /// <summary>What is known of the dropped nodes; null where none was dropped.</summary>
    public MissedRecord? Nodes { get; init; }

    /// <summary>What is known of the dropped edges: pairs of nodes, kept or not, with a direct path and no edge in the run. Null where
    /// none was dropped, or there can be none.</summary>
    public MissedRecord? Edges { get; init; }

    /// <summary>Subsets of dropped nodes by size, the largest first; the last gives the nodes' <see cref="MissedRecord.Bound"/>. Empty
    /// where every dropped node was measured.</summary>
    public required IReadOnlyList<SubsetRecord> Subsets { get; init; }

    /// <summary>How many nodes only one of the run and its repetition has, those at their thresholds; nothing is said of them.</summary>
    public required int UnmatchedNodes { get; init; }

    /// <summary>How many rows were run through the model, each a dropped node, a subset or the upstream end of dropped edges.</summary>
    public required int Rows { get; init; }

    /// <summary>How many calls of ONNX Runtime that took.</summary>
    public required int RuntimeCalls { get; init; }

    /// <summary>Seconds that it took.</summary>
    public required double Seconds { get; init; }
}

/// <summary>What is known of the nodes, or the edges, that a graph has left out.</summary>
public sealed record MissedRecord
{
    /// <summary>How many there are that can do anything: that move, not behind the metric's position.</summary>
    public required long Dropped { get; init; }

    /// <summary>How many of them are known exactly.</summary>
    public required int Measured { get; init; }

    /// <summary>|effect| above which one counts as missed, in the metric's unit: what was asked for, or the smallest that is
    /// kept.</summary>
    public required double Threshold { get; init; }

    /// <summary>How many of those measured are above it.</summary>
    public required int Above { get; init; }

    /// <summary>Upper bound on the share of all dropped ones that are above it, from 0 to 1, no unit. Nothing is assumed.</summary>
    public required double ShareBound { get; init; }

    /// <summary>The largest |effect| that was measured, in the metric's unit.</summary>
    public required double Largest { get; init; }

    /// <summary>Upper bound on the share of all dropped ones that are larger still, from 0 to 1, no unit. Nothing is assumed.</summary>
    public required double LargerShareBound { get; init; }

    /// <summary>Upper bound on the largest |effect| of all dropped ones, in the metric's unit. Exact where all were measured; else it
    /// assumes that a node is no weaker alone than among others. Null where there is no such bound: for edges, unless all were
    /// measured.</summary>
    public double? Bound { get; init; }
}

/// <summary>Random subsets of dropped nodes, of one size.</summary>
public sealed record SubsetRecord
{
    /// <summary>The probability that a node is in one: 1/2, 1/4, …, no unit.</summary>
    public required double Density { get; init; }

    /// <summary>How many nodes are in one, on average.</summary>
    public required double Nodes { get; init; }

    /// <summary>How many subsets were really patched.</summary>
    public required int Rows { get; init; }

    /// <summary>What they say of the largest |effect| of the dropped nodes that were not measured alone, in the metric's unit.</summary>
    public required double Bound { get; init; }
}
