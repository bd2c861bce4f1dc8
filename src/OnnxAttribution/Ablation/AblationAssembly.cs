using OnnxAttribution.Attribution;

namespace OnnxAttribution.Ablation;

/// <summary>Gathers what the ablations of each site found, and makes nodes, edges and chains of it.</summary>
/// <param name="sites">The selected sites; null for one without a dictionary.</param>
/// <param name="hasPairs">Whether any two of them have a direct path between them, so that there can be edges from site to site.</param>
internal sealed class AblationAssembly(SiteFeatures?[] sites, AblationOptions options, bool hasPairs)
{
    private readonly record struct Place(int Site, int Position, int Feature);

    // of a node: the metric's change and its direct part; NaN where it was not ablated
    private readonly SortedDictionary<Place, (float Metric, float Direct)> _nodes =
        new(Comparer<Place>.Create((a, b) => (a.Site, a.Position, a.Feature).CompareTo((b.Site, b.Position, b.Feature))));
    private readonly List<(Place Up, Place Down, float Effect)> _edges = [];
    private readonly List<(Place Node, NodeTokenChange Change)> _moved = [];

    /// <summary>Edges that were not 0, kept or not.</summary>
    public long Seen { get; private set; }

    /// <summary>Once nodes have been numbered.</summary>
    public IReadOnlyList<NodeTokenChange> Moved { get; private set; } = [];

    public void Add(int site, float[] metric, float[] direct, IReadOnlyDictionary<int, StrongestEdges> edges,
        IReadOnlyList<NodeTokenChange> moved)
    {
        var nodes = sites[site]!.Nodes;
        Place At(int node) => new(site, nodes[node].Position, nodes[node].Feature);
        for (var i = 0; i < nodes.Count; i++) _nodes[At(i)] = (metric[i], direct[i]);
        foreach (var (downstream, found) in edges)
        {
            foreach (var e in found.Kept()) _edges.Add((At(e.Up), new Place(downstream, e.Position, e.Feature), e.Effect));
            Seen += found.Seen;
        }
        Seen += direct.Count(d => d != 0 && !float.IsNaN(d));
        foreach (var m in moved) _moved.Add((At(m.Node), m));
    }

    /// <summary>Keeps what lies on long enough paths. In a graph without pairs of sites the strongest edges into the metric stay;
    /// else those of nodes that stay.</summary>
    public (IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges, IReadOnlyList<IReadOnlyList<int>> Chains) Select(int minPath,
        int mostChains)
    {
        var numbers = new SortedSet<Place>(_nodes.Comparer);
        foreach (var (up, down, _) in _edges) numbers.UnionWith([Joint(up), Joint(down)]);
        var joints = numbers.Select((place, i) => (place, i)).ToDictionary(p => p.place, p => p.i);
        PathSelection.Edge Numbered((Place Up, Place Down, float Effect) e) => new(joints[Joint(e.Up)], joints[Joint(e.Down)], e.Effect);
        var stays = PathSelection.Keep([.. _edges.Select(Numbered)], minPath);
        var kept = _edges.Where((_, i) => stays[i]).ToList();
        // of edges between the same two features at several positions, the strongest stands for all
        var distinct = kept.Select(Numbered)
            .Index()
            .GroupBy(e => (e.Item.Up, e.Item.Down))
            .Select(g => g.MaxBy(e => Math.Abs(e.Item.Effect)))
            .ToList();
        var chains = PathSelection.Chains([.. distinct.Select(e => e.Item)], minPath, mostChains)
            .Select(c => (IReadOnlyList<int>)[.. c.Select(i => distinct[i].Index)])
            .ToList();

        var onPath = kept.SelectMany(e => (Place[])[Joint(e.Up), Joint(e.Down)]).ToHashSet();
        var intoMetric = _nodes.Where(n => n.Value.Direct != 0 && !float.IsNaN(n.Value.Direct));
        intoMetric = hasPairs ? intoMetric.Where(n => onPath.Contains(Joint(n.Key)))
            : intoMetric.OrderByDescending(n => Math.Abs(n.Value.Direct)).Take(options.TopEdges ?? int.MaxValue);
        var toMetric = intoMetric.Select(n => (Up: n.Key, Effect: n.Value.Direct)).ToList();

        var ends = kept.SelectMany(e => (Place[])[e.Up, e.Down]).Concat(toMetric.Select(e => e.Up)).ToHashSet();
        foreach (var end in ends.Where(e => !_nodes.ContainsKey(e))) _nodes[end] = (NotAblated(end), float.NaN);
        var index = _nodes.Keys.Select((place, i) => (place, i)).ToDictionary(p => p.place, p => p.i);
        Moved = [.. _moved.Select(m => m.Change with { Node = index[m.Node] })];
        return ([.. _nodes.Select(n => Node(n.Key, n.Value.Metric) with { Kept = ends.Contains(n.Key) })],
            [.. kept.Select(e => new CausalEdge(index[e.Up], index[e.Down], float.NaN, e.Effect)),
                .. toMetric.Select(e => new CausalEdge(index[e.Up], CausalEdge.Metric, float.NaN, e.Effect))], chains);
    }

    // where features are ablated at all positions together, an edge into any of their positions leads on
    private Place Joint(Place place) =>
        options.Positions == AblationPositions.All ? place with { Position = SiteFeatures.AllPositions } : place;

    // to ablate what is not active changes nothing
    private float NotAblated(Place place) =>
        options.Logits && sites[place.Site]!.Activation(place.Position, place.Feature) == 0 ? 0 : float.NaN;

    private CausalNode Node(Place place, float effect)
    {
        var activation = sites[place.Site]!.Activation(place.Position, place.Feature);
        return new CausalNode(sites[place.Site]!.Site, place.Position, place.Feature, activation, options.Coefficient * activation,
            float.NaN, effect);
    }
}
