namespace OnnxAttribution.Bundles;

/// <summary>Token positions count from 0, BOS included.</summary>
public static class TokenPosition
{
    /// <summary>The position of a node that stands for all positions:
    /// −1 and not a missing value, so that joins of nodes and edges on it hold.</summary>
    public const int All = -1;
}
