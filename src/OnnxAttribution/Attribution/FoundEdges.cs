namespace OnnxAttribution.Attribution;

/// <summary>Who is told of edges as they are found.</summary>
/// <param name="Edge">Given each edge whose effect is not 0.</param>
/// <param name="SwitchedOn">Given what switched on, where that has an effect.</param>
internal readonly record struct FoundEdges(Action<CausalEdge> Edge, Action<SwitchedOnEdge> SwitchedOn);
