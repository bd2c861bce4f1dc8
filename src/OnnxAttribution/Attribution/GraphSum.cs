using OnnxAttribution.Export;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Graphs summed over positions, and their mean over prompts, as Marks et al. do.
/// 1. Each graph's nodes and edges are chosen position by position, before they are summed.
/// 2. Per (site, feature): effects and activations are summed over positions, a prompt where a feature is not active counting 0; per pair of them, edge effects.
/// 3. The sums are divided by the number of graphs.
/// </summary>
/// <remarks>
/// Marks et al. 2024 (arXiv:2403.19647), section 3.1. A summed node stands at <see cref="NoPosition"/>. A gradient or a jacobian at no position means nothing: NaN.
/// A node is kept where it was kept at some position of some prompt.
/// </remarks>
public sealed class GraphSum
{
    /// <summary>The position of a node that stands for all positions: −1 and not a missing value, so that joins of nodes and edges on it hold.</summary>
    public const int NoPosition = -1;

    private readonly Dictionary<(Site Site, int Feature), int> _indices = [];
    private readonly List<NodeTotal> _nodes = [];
    private readonly Dictionary<(int Up, int Down), double> _edges = [];

    /// <summary>Graphs added so far.</summary>
    public int Count { get; private set; }

    public void Add(CausalGraph graph)
    {
        var indices = new int[graph.Nodes.Count];
        for (var i = 0; i < indices.Length; i++) indices[i] = Add(graph.Nodes[i]);
        foreach (var e in graph.Edges)
        {
            var ends = (indices[e.Up], e.Down == CausalEdge.Metric ? CausalEdge.Metric : indices[e.Down]);
            _edges[ends] = _edges.GetValueOrDefault(ends) + e.Effect;
        }
        Count++;
    }

    /// <summary>The mean over the graphs added, in the order of a single graph: sites in the order of computation, features ascending, the error node last.</summary>
    /// <param name="sites">In the order of computation.</param>
    public (IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges) Mean(IReadOnlyList<Site> sites)
    {
        var places = sites.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
        int[] order = [.. Enumerable.Range(0, _nodes.Count).OrderBy(i => places[_nodes[i].Site]).ThenBy(i => (uint)_nodes[i].Feature)];   // the error's −1 comes last
        var newIndex = new int[order.Length];
        for (var i = 0; i < order.Length; i++) newIndex[order[i]] = i;
        double scale = 1.0 / Math.Max(1, Count);
        CausalNode[] nodes = [.. order.Select(i => _nodes[i].Times(scale))];
        var edges = new List<CausalEdge>(_edges.Count);
        foreach (var ((up, down), effect) in _edges)
        {
            edges.Add(new CausalEdge(newIndex[up], down == CausalEdge.Metric ? down : newIndex[down], float.NaN, (float)(effect * scale)));
        }
        return (nodes, edges);
    }

    private int Add(CausalNode node)
    {
        var key = (node.Site, node.Feature);
        if (!_indices.TryGetValue(key, out var index))
        {
            _indices[key] = index = _nodes.Count;
            _nodes.Add(new NodeTotal(node.Site, node.Feature));
        }
        _nodes[index].Add(node);
        return index;
    }

    private sealed class NodeTotal(Site site, int feature)
    {
        private double _activation, _patchActivation, _effect;
        private bool _kept;

        public Site Site => site;
        public int Feature => feature;

        public void Add(CausalNode node)
        {
            _activation += node.Activation;
            _patchActivation += node.PatchActivation;
            _effect += node.Effect;
            _kept |= node.Kept;
        }

        public CausalNode Times(double scale) =>
            new(site, NoPosition, feature, (float)(_activation * scale), (float)(_patchActivation * scale), float.NaN, (float)(_effect * scale)) { Kept = _kept };
    }
}
