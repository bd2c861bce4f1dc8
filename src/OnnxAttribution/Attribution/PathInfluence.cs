namespace OnnxAttribution.Attribution;

/// <summary>What a node is to the scores of a graph.</summary>
internal enum InfluenceRole
{
    Feature,
    Error,
    Token,
    Output,
}

/// <summary>A weighted edge of a graph whose influence is measured.</summary>
internal readonly record struct InfluenceEdge(int Source, int Target, float Weight);

/// <summary>
/// How much of the outputs runs through each node and edge, as circuit-tracer computes it.
/// 1. |weight| of the edges into a node, divided by their sum: A[target, source].
/// 2. With w the outputs' weights (probabilities, not renormalised): influence = w A + w A² + …, which ends, since there are no cycles.
/// 3. An edge's score is A[t, s] · (influence of t + w of t).
/// Pruning keeps nodes, then edges, whose score is at least that at which the falling scores' share first reaches a part; then whatever has
/// lost its way goes too. Tokens and outputs stay.
/// </summary>
/// <remarks>circuit-tracer (<c>graph.py</c>); Ameisen et al. 2025, "Circuit Tracing". Ties are kept: scores that differ by rounding
/// are one.</remarks>
internal sealed class PathInfluence
{
    private const double Rounding = 1e-9;

    private readonly IReadOnlyList<InfluenceRole> _roles;
    private readonly InfluenceEdge[] _edges;
    private readonly double[] _weights;

    /// <param name="roles">Of every node, the outputs among them.</param>
    /// <param name="edges">No two of the same ends.</param>
    /// <param name="weights">w: 0 but for outputs.</param>
    public PathInfluence(IReadOnlyList<InfluenceRole> roles, IEnumerable<InfluenceEdge> edges, double[] weights)
    {
        (_roles, _weights) = (roles, weights);
        _edges = [.. edges.Where(e => e.Weight != 0 && float.IsFinite(e.Weight))];
        Nodes = Of(_edges).Nodes;
    }

    /// <summary>The influence of every node.</summary>
    public double[] Nodes { get; }

    /// <summary>The share of all influence that nodes of at least its own have: small where a node matters.</summary>
    public double[] Cumulative
    {
        get
        {
            var (result, sum, all) = (new double[Nodes.Length], 0.0, Nodes.Sum());
            foreach (var i in Enumerable.Range(0, Nodes.Length).OrderByDescending(i => Nodes[i]))
            {
                sum += Nodes[i];
                result[i] = all > 0 ? Math.Min(1, sum / all) : 1;
            }
            return result;
        }
    }

    /// <summary>Of what reaches tokens and errors, the tokens' share.</summary>
    public double Replacement
    {
        get
        {
            var tokens = Sum(InfluenceRole.Token);
            return tokens / (tokens + Sum(InfluenceRole.Error));
        }
    }

    /// <summary>Of the inputs of nodes, those that are no errors, weighted with what the nodes do for the outputs.</summary>
    public double Completeness
    {
        get
        {
            var errors = new double[Nodes.Length];
            foreach (var (edge, share) in Shares(_edges))
            {
                if (_roles[edge.Source] == InfluenceRole.Error) errors[edge.Target] += share;
            }
            double explained = 0, all = 0;
            for (var i = 0; i < errors.Length; i++)
            {
                explained += (1 - errors[i]) * (Nodes[i] + _weights[i]);
                all += Nodes[i] + _weights[i];
            }
            return explained / all;
        }
    }

    /// <summary>Which nodes and edges stay.</summary>
    /// <param name="nodeShare">Nodes' part of all influence, such as 0.8.</param>
    /// <param name="edgeShare">Edges' part of all scores, such as 0.98.</param>
    public (bool[] Nodes, HashSet<(int Source, int Target)> Edges) Prune(double nodeShare, double edgeShare)
    {
        var least = Cut(Nodes, nodeShare);
        bool[] stays = [.. Nodes.Select((n, i) => n >= least || !CanGo(i))];
        var scored = Of([.. _edges.Where(e => stays[e.Source] && stays[e.Target])]).Edges;
        var leastScore = Cut([.. scored.Select(e => e.Score)], edgeShare);
        var edges = scored.Where(e => e.Score >= leastScore).Select(e => (e.Edge.Source, e.Edge.Target)).ToHashSet();
        for (var changed = true; changed;)
        {
            edges.RemoveWhere(e => !stays[e.Source] || !stays[e.Target]);
            var (hasOutput, hasInput) = (edges.Select(e => e.Source).ToHashSet(), edges.Select(e => e.Target).ToHashSet());
            changed = false;
            for (var i = 0; i < stays.Length; i++)
            {
                // an error needs an output only, a feature both
                if (!stays[i] || !CanGo(i)) continue;
                if (hasOutput.Contains(i) && (_roles[i] == InfluenceRole.Error || hasInput.Contains(i))) continue;
                (stays[i], changed) = (false, true);
            }
        }
        return (stays, edges);
    }

    /// <summary>Scores of the edges, pruned or not: share of the target's inputs times what the target does for the outputs.</summary>
    public IReadOnlyDictionary<(int Source, int Target), double> EdgeScores(Func<InfluenceEdge, bool> stays) =>
        Of([.. _edges.Where(stays)]).Edges.ToDictionary(e => (e.Edge.Source, e.Edge.Target), e => e.Score);

    private bool CanGo(int node) => _roles[node] is InfluenceRole.Feature or InfluenceRole.Error;

    private double Sum(InfluenceRole role) => Enumerable.Range(0, Nodes.Length).Where(i => _roles[i] == role).Sum(i => Nodes[i]);

    private (double[] Nodes, IReadOnlyList<(InfluenceEdge Edge, double Score)> Edges) Of(InfluenceEdge[] edges)
    {
        var shares = Shares(edges);
        var (influence, current) = (new double[_weights.Length], _weights);
        // a path is no longer than there are nodes
        for (var step = 0; step < influence.Length; step++)
        {
            var next = new double[influence.Length];
            foreach (var (edge, share) in shares) next[edge.Source] += share * current[edge.Target];
            if (Array.TrueForAll(next, n => n == 0)) break;
            for (var i = 0; i < next.Length; i++) influence[i] += next[i];
            current = next;
        }
        return (influence, [.. shares.Select(s => (s.Edge, s.Share * (influence[s.Edge.Target] + _weights[s.Edge.Target])))]);
    }

    private List<(InfluenceEdge Edge, double Share)> Shares(InfluenceEdge[] edges)
    {
        var sums = new double[_weights.Length];
        foreach (var e in edges) sums[e.Target] += Math.Abs((double)e.Weight);
        // a node whose inputs all weigh nothing has no share to give
        return [.. edges.Select(e => (e, sums[e.Target] > 0 ? Math.Abs((double)e.Weight) / sums[e.Target] : 0))];
    }

    // the score at which the falling scores' share first reaches a part
    private static double Cut(double[] scores, double share)
    {
        var falling = scores.OrderDescending().ToArray();
        var (sum, all) = (0.0, falling.Sum());
        foreach (var score in falling)
        {
            sum += score;
            if (sum >= share * all * (1 - Rounding)) return score * (1 - Rounding);
        }
        return 0;
    }
}
