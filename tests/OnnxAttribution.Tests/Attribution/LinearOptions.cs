using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Options of graphs that are tested for what derivatives give.</summary>
internal static class LinearOptions
{
    /// <summary>The same, but no node is really moved unless the options ask for it.</summary>
    public static GraphOptions Linear(this GraphOptions options) => options with { Refine = options.Refine ?? 0 };
}
