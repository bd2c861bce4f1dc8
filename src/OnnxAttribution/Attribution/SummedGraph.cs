namespace OnnxAttribution.Attribution;

/// <summary>A graph summed over positions, and over prompts (<see cref="GraphSum"/>).</summary>
/// <param name="Nodes">All nodes, kept or not.</param>
/// <param name="Edges">Kept edges.</param>
/// <param name="SwitchedOn">What switched on for kept nodes.</param>
internal sealed record SummedGraph(IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges,
    IReadOnlyList<SwitchedOnEdge> SwitchedOn);
