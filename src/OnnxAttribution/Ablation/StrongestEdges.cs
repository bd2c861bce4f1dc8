namespace OnnxAttribution.Ablation;

/// <summary>The strongest edges of one pair of sites, of any number that is offered:
/// never more than a few times as many lie in memory as are kept.</summary>
/// <param name="downstream">Index of the downstream site among the selected.</param>
/// <param name="top">Edges kept, by |effect|; null: no such limit.</param>
/// <param name="threshold">Least |effect| of a kept edge.</param>
internal sealed class StrongestEdges(int downstream, int? top, float threshold)
{
    private readonly List<AblationEdge> _edges = [];
    private readonly int _room = top is { } n ? (int)Math.Min(int.MaxValue / 2, (4L * n) + 1024) : int.MaxValue;
    private float _least = threshold;

    /// <summary>Edges offered.</summary>
    public long Seen { get; private set; }

    /// <summary>Offers an edge.</summary>
    /// <param name="up">The ablated node.</param>
    /// <param name="position">Of the downstream feature.</param>
    /// <param name="effect">Not 0.</param>
    public void Add(NodeKey up, int position, int feature, float effect)
    {
        Seen++;
        if (Math.Abs(effect) < _least) return;
        _edges.Add(new AblationEdge(up, new NodeKey(downstream, position, feature), effect));
        if (_edges.Count >= _room) Trim();
    }

    /// <summary>What is kept, strongest first.</summary>
    public IReadOnlyList<AblationEdge> Kept()
    {
        Trim();
        return _edges;
    }

    // a total order, so that what is kept does not depend on the order in which edges came
    private void Trim()
    {
        _edges.Sort(static (a, b) =>
        {
            var byEffect = Math.Abs(b.Effect).CompareTo(Math.Abs(a.Effect));
            return byEffect != 0 ? byEffect : (a.Up, a.Down).CompareTo((b.Up, b.Down));
        });
        if (top is not { } n || _edges.Count <= n) return;
        _edges.RemoveRange(n, _edges.Count - n);
        if (n > 0) _least = Math.Max(_least, Math.Abs(_edges[^1].Effect));
    }
}
