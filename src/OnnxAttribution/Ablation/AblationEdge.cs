namespace OnnxAttribution.Ablation;

/// <summary>A node before nodes have numbers. Keys are ordered by site, position and feature.</summary>
/// <param name="Site">Index among the selected sites.</param>
/// <param name="Position">Token position from 0; −1 stands for all positions.</param>
/// <param name="Feature">Index in the site's dictionary.</param>
internal readonly record struct NodeKey(int Site, int Position, int Feature) : IComparable<NodeKey>
{
    public int CompareTo(NodeKey other) => (Site, Position, Feature).CompareTo((other.Site, other.Position, other.Feature));
}

/// <summary>What the ablation of one node changes at a feature downstream.</summary>
/// <param name="Effect">Activation of the downstream feature after the ablation minus before.</param>
internal readonly record struct AblationEdge(NodeKey Up, NodeKey Down, float Effect);
