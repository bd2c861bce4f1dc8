using System.Globalization;

namespace OnnxAttribution.Attribution;

/// <summary>What a node's effect was found by, in a word: the column <c>method</c>.</summary>
internal static class NodeMethods
{
    public const string Attribution = "attribution", Ig = "ig", Exact = "exact", AtpStar = "atpstar", Mixed = "mixed";

    private const string Depth = "depth-";

    /// <summary>The word for a node that was run K blocks deep.</summary>
    public static string OfDepth(int depth) => string.Create(CultureInfo.InvariantCulture, $"{Depth}{depth}");

    /// <summary>K of <see cref="OfDepth"/>; null where the word says no depth.</summary>
    public static int? DepthOf(string method) => method.StartsWith(Depth, StringComparison.Ordinal)
        && int.TryParse(method.AsSpan(Depth.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var depth) ? depth : null;

    /// <summary>Whether the effect is what gradients alone say, which a pass back finds again.</summary>
    public static bool IsLinear(string? method) => method is Attribution or Ig;

    /// <summary>Whether the node was really moved, so that its effect is not linear from the node itself on.</summary>
    public static bool IsMeasured(string? method) => method is Exact || method?.StartsWith(Depth, StringComparison.Ordinal) == true;
}
