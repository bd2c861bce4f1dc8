using OnnxAttribution.Bundles;

namespace OnnxAttribution.View.Figures;

/// <summary>A checked node or edge as a point.</summary>
/// <param name="Kind">Of the site of the node, of an edge that of its upstream end.</param>
internal readonly record struct ValidationMark(string Name, SiteKind Kind, bool IsError, float Exact, float Approximate);
