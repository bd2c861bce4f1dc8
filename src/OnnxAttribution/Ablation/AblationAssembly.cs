using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>Nodes, edges, chains and tokens of an <see cref="AblationGraph"/>, all by the nodes' indices.</summary>
internal sealed record AssembledGraph(IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges,
    IReadOnlyList<IReadOnlyList<int>> Chains, IReadOnlyList<NodeTokenChange> Tokens, int MinPath);

/// <summary>
/// Makes a graph of what the ablations of each site found.
/// 1. Edges from site to site stay where they lie on long enough paths, and chains are made of them (<see cref="PathSelection"/>).
/// 2. Edges into the metric stay where their node does; in a graph without pairs of sites, the strongest.
/// 3. Nodes are the ablated ones and the ends of edges, in the order of their keys; edges get their indices.
/// </summary>
/// <param name="sites">The selected sites; null for one without a dictionary.</param>
/// <param name="hasPairs">Whether any two of them have a direct path between them, so that there can be edges from site to site.</param>
internal sealed class AblationAssembly(IReadOnlyList<SiteFeatures?> sites, AblationOptions options, bool hasPairs)
{
    // of a node: the metric's change and its direct part; NaN where it was not ablated
    private readonly SortedDictionary<NodeKey, (float Metric, float Direct)> _nodes = [];
    private readonly List<AblationEdge> _edges = [];
    private readonly List<(NodeKey Node, int Rank, TokenChange Change)> _tokens = [];

    /// <summary>Edges that were not 0, kept or not.</summary>
    public long Seen { get; private set; }

    /// <summary>Takes over what was found at one site.</summary>
    public void Add(SiteOutcome site)
    {
        foreach (var (i, node) in site.Ablated.Nodes.Index()) _nodes[node] = (site.Metric[i], site.Direct[i]);
        foreach (var found in site.Edges.Values)
        {
            _edges.AddRange(found.Kept());
            Seen += found.Seen;
        }
        Seen += site.Direct.Count(d => d != 0 && !float.IsNaN(d));
        _tokens.AddRange(site.Tokens);
    }

    /// <summary>Selects and numbers.</summary>
    /// <param name="minPath">Edges that a path must have at least.</param>
    /// <param name="mostChains">Chains at most.</param>
    public AssembledGraph Select(int minPath, int mostChains)
    {
        var (kept, chains) = OnLongPaths(minPath, mostChains);
        var intoMetric = IntoMetric(kept);
        var ends = kept.SelectMany(e => (NodeKey[])[e.Up, e.Down]).Concat(intoMetric.Select(e => e.Up)).ToHashSet();
        foreach (var end in ends) _nodes.TryAdd(end, (NotAblated(end), float.NaN));
        var index = _nodes.Keys.Index().ToDictionary(p => p.Item, p => p.Index);
        return new AssembledGraph(
            [.. _nodes.Select(n => Node(n.Key, n.Value.Metric) with { Kept = ends.Contains(n.Key) })],
            [.. kept.Select(e => new CausalEdge(index[e.Up], index[e.Down], float.NaN, e.Effect)),
                .. intoMetric.Select(e => new CausalEdge(index[e.Up], CausalEdge.Metric, float.NaN, e.Effect))],
            chains, [.. _tokens.Select(t => new NodeTokenChange(index[t.Node], t.Rank, t.Change))], minPath);
    }

    // edges that stay, and chains of their indices
    private (List<AblationEdge> Kept, IReadOnlyList<IReadOnlyList<int>> Chains) OnLongPaths(int minPath, int mostChains)
    {
        var joints = new SortedSet<NodeKey>(_edges.SelectMany(e => (NodeKey[])[Joint(e.Up), Joint(e.Down)]))
            .Index()
            .ToDictionary(p => p.Item, p => p.Index);
        CausalEdge Numbered(AblationEdge e) => new(joints[Joint(e.Up)], joints[Joint(e.Down)], float.NaN, e.Effect);
        var stays = PathSelection.Keep([.. _edges.Select(Numbered)], minPath);
        var kept = _edges.Where((_, i) => stays[i]).ToList();
        // of edges between the same two features at several positions, the strongest stands for all
        var distinct = kept.Select(Numbered)
            .Index()
            .GroupBy(e => (e.Item.Up, e.Item.Down))
            .Select(g => g.MaxBy(e => Math.Abs(e.Item.Effect)))
            .ToList();
        var chains = PathSelection.Chains([.. distinct.Select(e => e.Item)], minPath, mostChains);
        return (kept, [.. chains.Select(c => (IReadOnlyList<int>)[.. c.Select(i => distinct[i].Index)])]);
    }

    private List<(NodeKey Up, float Effect)> IntoMetric(List<AblationEdge> kept)
    {
        var onPath = kept.SelectMany(e => (NodeKey[])[Joint(e.Up), Joint(e.Down)]).ToHashSet();
        var all = _nodes.Select(n => (n.Key, n.Value.Direct)).Where(n => n.Direct != 0 && !float.IsNaN(n.Direct));
        return [.. hasPairs ? all.Where(n => onPath.Contains(Joint(n.Key)))
            : all.OrderByDescending(n => Math.Abs(n.Direct)).Take(options.TopEdges ?? int.MaxValue)];
    }

    // where features are ablated at all positions together, an edge into any of their positions leads on
    private NodeKey Joint(NodeKey node) =>
        options.Positions == AblationPositions.All ? node with { Position = TokenPosition.All } : node;

    // to ablate what is not active changes nothing
    private float NotAblated(NodeKey node) => options.Logits && Activation(node) == 0 ? 0 : float.NaN;

    private float Activation(NodeKey node) => sites[node.Site]!.Activation(node.Position, node.Feature);

    private CausalNode Node(NodeKey node, float effect)
    {
        var activation = Activation(node);
        return new CausalNode(sites[node.Site]!.Site, node.Position, node.Feature, activation, options.Coefficient * activation,
            float.NaN, effect)
        {
            Attribution = float.NaN,
            Exact = effect,
            Method = NodeMethods.Exact,
            EffectError = float.IsNaN(effect) ? float.NaN : 0,
        };
    }
}
