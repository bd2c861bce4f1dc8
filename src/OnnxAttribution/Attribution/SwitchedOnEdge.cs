using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>What one node does to a site by way of features that are active in neither run and switch on when it moves: no nodes, so
/// no edges lead to them.</summary>
/// <remarks>The effects of a node's edges into a site and this one add up to g · Δx of that site.</remarks>
/// <param name="Up">Index of the upstream node in <see cref="CausalGraph.Nodes"/>.</param>
/// <param name="Down">The downstream site.</param>
/// <param name="Effect">Σ over those features and all positions of the metric's gradient at the feature times its activation, in the
/// metric's unit.</param>
public readonly record struct SwitchedOnEdge(int Up, Site Down, float Effect);
