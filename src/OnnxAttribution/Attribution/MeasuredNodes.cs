using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>What is known of a prompt's nodes beyond linear estimates, kept so that its edges can be found again without finding that out
/// again.</summary>
internal sealed class MeasuredNodes
{
    private readonly Dictionary<(Site Site, int Position, int Feature), (float Effect, string Method)> _nodes;

    private MeasuredNodes(IEnumerable<CausalNode> nodes)
    {
        _nodes = nodes.Where(n => !NodeMethods.IsLinear(n.Method))
            .ToDictionary(n => (n.Site, n.Position, n.Feature), n => (n.Effect, n.Method));
    }

    /// <param name="nodes">As <see cref="All"/> gave them.</param>
    public MeasuredNodes(IEnumerable<(Site Site, int Position, int Feature, float Effect, string Method)> nodes) =>
        _nodes = nodes.ToDictionary(n => (n.Site, n.Position, n.Feature), n => (n.Effect, n.Method));

    public static MeasuredNodes None { get; } = new(Enumerable.Empty<CausalNode>());

    /// <summary>Effects and what they were found by, in no order.</summary>
    public IEnumerable<(Site Site, int Position, int Feature, float Effect, string Method)> All =>
        _nodes.Select(n => (n.Key.Site, n.Key.Position, n.Key.Feature, n.Value.Effect, n.Value.Method));

    /// <summary>Those of a prompt's nodes that more is known of.</summary>
    /// <param name="nodes">Position by position.</param>
    public static MeasuredNodes Of(IEnumerable<CausalNode> nodes) => new(nodes);

    /// <summary>Gives what was found to the same prompt's nodes, found again. A node that was not found again is left out.</summary>
    public void PutInto(List<CausalNode> nodes)
    {
        for (var i = 0; i < nodes.Count; i++)
        {
            if (!_nodes.TryGetValue((nodes[i].Site, nodes[i].Position, nodes[i].Feature), out var measured)) continue;
            nodes[i] = nodes[i] with { Effect = measured.Effect, Method = measured.Method };
        }
    }
}
