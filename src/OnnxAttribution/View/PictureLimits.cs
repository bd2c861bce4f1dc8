using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>How much of a run is drawn: a graph of a hundred thousand edges is no picture.</summary>
/// <param name="Nodes">The strongest kept nodes, by |effect|.</param>
/// <param name="Edges">The strongest edges between them, by |effect|.
/// Where this leaves some out, nodes that no edge is left at are not drawn either.</param>
internal sealed record PictureLimits(int Nodes = 2_000, int Edges = 10_000)
{
    /// <summary>The separate circuit that is drawn, from 1 (<see cref="Attribution.SeparateCircuits"/>); null: all of the graph.</summary>
    public int? Component { get; init; }

    /// <summary>What a drawing holds that nobody can zoom into.</summary>
    public const int StillEdges = 300;

    /// <summary>Each node is a box: one that nothing leads to or from says nothing, and what <c>ablate</c> has a feature do at several
    /// positions to another is one arrow (<see cref="JoinedEnds"/>).</summary>
    public bool IsBoxed { get; init; }

    /// <summary>Nodes that are drawn whatever their effect; null: none are chosen.</summary>
    public Subgraph? Subgraph { get; init; }

    /// <summary>What a figure of boxes holds, each of which says what its feature stands for.</summary>
    public const int BoxNodes = 12, BoxEdges = 30;
}
