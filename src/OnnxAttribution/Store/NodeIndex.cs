using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Finds the index of a node by what edges.parquet says of it.</summary>
internal sealed class NodeIndex
{
    private readonly EdgeKeys _ends;
    private readonly Dictionary<(int Site, int Position, int Feature), int> _nodes;

    /// <exception cref="DuckDbException">Two nodes are the same.</exception>
    public NodeIndex(IReadOnlyList<NodeRow> nodes, EdgeKeys ends)
    {
        _ends = ends;
        _nodes = new(nodes.Count);
        for (var n = 0; n < nodes.Count; n++)
        {
            if (!_nodes.TryAdd((ends.Site[n], ends.Position[n], ends.Feature[n]), n))
            {
                throw new DuckDbException($"its nodes have ({nodes[n].Site}, {nodes[n].Position}, {nodes[n].Feature}) twice");
            }
        }
    }

    /// <summary>The index of a node, or <see cref="CausalEdge.Metric"/>.</summary>
    /// <param name="site">The site's code in the ENUM.</param>
    /// <param name="position">Token position.</param>
    /// <param name="feature">Feature, −1 for an error node.</param>
    /// <exception cref="DuckDbException">There is no such node.</exception>
    public int Find(int site, int position, int feature)
    {
        if (site == _ends.Sites.Length - 1) return CausalEdge.Metric;
        return _nodes.TryGetValue((site, position, feature), out var node)
            ? node
            : throw new DuckDbException(
                $"an edge ends at ({_ends.Sites[site]}, {position}, {feature}), which {RunNames.NodesFile} does not have");
    }
}
