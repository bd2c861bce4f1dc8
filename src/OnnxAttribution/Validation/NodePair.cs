using OnnxAttribution.Attribution;

namespace OnnxAttribution.Validation;

/// <summary>The two ends of an edge, there or not: indices into a graph's nodes.</summary>
/// <param name="Down"><see cref="CausalEdge.Metric"/> for the metric.</param>
internal readonly record struct NodePair(int Up, int Down);
