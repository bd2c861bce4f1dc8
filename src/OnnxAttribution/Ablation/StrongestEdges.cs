namespace OnnxAttribution.Ablation;

/// <summary>The strongest edges of one pair of sites, of any number that is offered:
/// never more than a few times as many lie in memory as are kept.</summary>
internal sealed class StrongestEdges(int? top, float threshold)
{
    /// <param name="Up">Index of the ablated node among those of its site.</param>
    /// <param name="Position">Of the downstream feature.</param>
    public readonly record struct Edge(int Up, int Position, int Feature, float Effect);

    private readonly List<Edge> _edges = [];
    private readonly int _room = top is { } n ? (int)Math.Min(int.MaxValue / 2, (4L * n) + 1024) : int.MaxValue;
    private float _least = threshold;

    /// <summary>Edges offered.</summary>
    public long Seen { get; private set; }

    /// <summary>An effect that is not 0.</summary>
    public void Add(int up, int position, int feature, float effect)
    {
        Seen++;
        if (Math.Abs(effect) < _least) return;
        _edges.Add(new Edge(up, position, feature, effect));
        if (_edges.Count >= _room) Trim();
    }

    /// <summary>What is kept, strongest first.</summary>
    public IReadOnlyList<Edge> Kept()
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
            return byEffect != 0 ? byEffect : (a.Up, a.Position, a.Feature).CompareTo((b.Up, b.Position, b.Feature));
        });
        if (top is not { } n || _edges.Count <= n) return;
        _edges.RemoveRange(n, _edges.Count - n);
        if (n > 0) _least = Math.Max(_least, Math.Abs(_edges[^1].Effect));
    }
}
