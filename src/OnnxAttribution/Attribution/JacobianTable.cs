namespace OnnxAttribution.Attribution;

/// <summary>Jacobians between kept nodes, pair of sites by pair of sites, to stand beside exact edges.</summary>
internal sealed class JacobianTable
{
    private readonly IReadOnlyList<CausalNode> _nodes;
    private readonly int[] _site;
    private readonly int[] _place;
    private readonly int[] _kept;
    private readonly Dictionary<(int Up, int Down), float[]> _pairs = [];
    private readonly Dictionary<int, float> _intoMetric = [];

    public JacobianTable(IReadOnlyList<SiteEffects> sites, IReadOnlyList<CausalNode> nodes)
    {
        (_nodes, _site, _place, _kept) = (nodes, new int[nodes.Count], new int[nodes.Count], new int[sites.Count]);
        for (var s = 0; s < sites.Count; s++)
        {
            for (var n = sites[s].FirstNode; n < sites[s].FirstNode + sites[s].Nodes.Count; n++)
            {
                (_site[n], _place[n]) = (s, nodes[n].Kept ? _kept[s]++ : -1);
            }
        }
    }

    public void Add(CausalEdge edge)
    {
        if (edge.Down == CausalEdge.Metric)
        {
            _intoMetric[edge.Up] = edge.Jacobian;
            return;
        }
        var pair = (_site[edge.Up], _site[edge.Down]);
        if (!_pairs.TryGetValue(pair, out var table)) _pairs[pair] = table = new float[checked(_kept[pair.Item1] * _kept[pair.Item2])];
        table[Index(edge.Up, edge.Down)] = edge.Jacobian;
    }

    /// <summary>Of an edge; NaN where an end is an error node, 0 where no jacobian was found.</summary>
    public float Of(int up, int down)
    {
        if (_nodes[up].IsError) return float.NaN;
        if (down == CausalEdge.Metric) return _intoMetric.GetValueOrDefault(up);
        return _nodes[down].IsError ? float.NaN : _pairs.TryGetValue((_site[up], _site[down]), out var table) ? table[Index(up, down)] : 0;
    }

    private int Index(int up, int down) => (_place[down] * _kept[_site[up]]) + _place[up];
}
