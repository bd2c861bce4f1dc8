using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>What moving a prompt's nodes has shown, kept so that its edges can be found again without moving them again.</summary>
internal sealed class MeasuredNodes
{
    private readonly Dictionary<(Site Site, int Position, int Feature), CausalNode> _nodes;

    private MeasuredNodes(IEnumerable<CausalNode> nodes)
    {
        _nodes = nodes.Where(n => NodeMethods.IsMeasured(n.Method)).ToDictionary(n => (n.Site, n.Position, n.Feature));
    }

    public static MeasuredNodes None { get; } = new([]);

    /// <summary>Those of a prompt's nodes that were really moved.</summary>
    /// <param name="nodes">Position by position.</param>
    public static MeasuredNodes Of(IEnumerable<CausalNode> nodes) => new(nodes);

    /// <summary>Gives what was found to the same prompt's nodes, found again. A node that was not found again is left out.</summary>
    public void PutInto(List<CausalNode> nodes)
    {
        for (var i = 0; i < nodes.Count; i++)
        {
            if (_nodes.TryGetValue((nodes[i].Site, nodes[i].Position, nodes[i].Feature), out var measured)) nodes[i] = measured;
        }
    }
}
