using OnnxAttribution.Attribution;

namespace OnnxAttribution.Validation;

/// <summary>Effects of all nodes by one estimator, and of chosen pairs of nodes.</summary>
internal sealed class Estimates
{
    private readonly IReadOnlyList<CausalNode> _nodes;
    private readonly Dictionary<NodePair, CausalEdge> _edges;

    private Estimates(IReadOnlyList<CausalNode> nodes, IEnumerable<CausalEdge> edges)
    {
        _nodes = nodes;
        _edges = edges.ToDictionary(e => new NodePair(e.Up, e.Down));
    }

    /// <summary>What a run has found itself.</summary>
    public static Estimates Stored(IReadOnlyList<CausalNode> nodes, IEnumerable<CausalEdge> edges) => new(nodes, edges);

    /// <summary>Finds them anew, as <c>graph</c> does, with nothing kept but the ends of the pairs.
    /// The sites have the estimator's gradients afterwards.</summary>
    /// <param name="found">Nodes whose effects are known better; null: those of the estimator.</param>
    public static Estimates Find(PatchingState state, JudgedEstimator by, IEnumerable<NodePair> pairs,
        IReadOnlyList<CausalNode>? found = null)
    {
        state.UseGradients(by.Method, by.Estimator, by.Steps);
        var operations = state.GradientOperations(by.Method, by.Estimator, by.Steps);
        var nodes = found?.Select(n => n with { Kept = false }).ToList() ?? state.Effects();
        if (found is null && by.Method == EffectMethod.Atpstar) operations += AtpStarEffects.Replace(state, nodes);
        var wanted = pairs.ToHashSet();
        foreach (var i in wanted.SelectMany(p => (int[])[p.Up, p.Down]).Where(i => i != CausalEdge.Metric).Distinct())
        {
            nodes[i] = nodes[i] with { Kept = true };
        }
        var edges = new List<CausalEdge>();
        if (wanted.Count > 0)
        {
            if (by.Edges == EdgeMethod.Exact)
            {
                new ExactEdgeFinder(state, nodes).Find(new FoundEdges(edges.Add, _ => { }));
            }
            else
            {
                new EdgeFinder(state.Model, state.Sites, nodes, state.Tokens, by.Estimator).Find(edges.Add);
                MetricEdges.Find(state, nodes, by.Method, by.Estimator, edges.Add);
            }
        }
        return new Estimates(nodes, edges.Where(e => wanted.Contains(new NodePair(e.Up, e.Down))))
        {
            Passes = state.InForwardPasses(operations),
        };
    }

    /// <summary>What the effects of all nodes took, in forward passes; NaN where they were not found here.</summary>
    public double Passes { get; private init; } = double.NaN;

    public float Effect(int node) => _nodes[node].Effect;

    public bool Has(NodePair pair) => _edges.ContainsKey(pair);

    /// <summary>0 where there is no such edge.</summary>
    public float Effect(NodePair pair) => _edges.GetValueOrDefault(pair).Effect;

    /// <summary>The exact change or jacobian · Δ into a feature; NaN where the downstream end is another,
    /// or where it cannot be known because g_d is 0.</summary>
    public float Change(NodePair pair)
    {
        if (pair.Down == CausalEdge.Metric || _nodes[pair.Down].IsError) return float.NaN;
        var (up, down) = (_nodes[pair.Up], _nodes[pair.Down]);
        if (down.Derivative == 0) return float.NaN;
        if (!_edges.TryGetValue(pair, out var edge)) return 0;
        if (!float.IsNaN(edge.Change)) return edge.Change;
        return float.IsNaN(edge.Jacobian) ? edge.Effect / down.Derivative : edge.Jacobian * (up.PatchActivation - up.Activation);
    }
}
