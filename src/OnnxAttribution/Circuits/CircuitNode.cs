using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Circuits;

/// <summary>A feature, or with <see cref="CausalNode.Error"/> what the dictionary missed, at one token position or at all.</summary>
/// <param name="Position">From 0, or <see cref="GraphSum.NoPosition"/>: at every position.</param>
public readonly record struct CircuitNode(Site Site, int Position, int Feature)
{
    public bool IsError => Feature == CausalNode.Error;

    public bool IsEverywhere => Position == GraphSum.NoPosition;
}
