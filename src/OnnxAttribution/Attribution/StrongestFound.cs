using OnnxAttribution.Files;

namespace OnnxAttribution.Attribution;

/// <summary>Edges as they are found, of which no more than a few times as many lie in memory as will stay
/// (<see cref="Selection.KeepEdges"/>), or than there is room for, and what they sum up to.</summary>
/// <param name="top">Edges that stay, by |effect|; null: no such limit.</param>
/// <param name="threshold">Least |effect| of an edge that stays.</param>
/// <param name="room">Where they lie if all stay; null: in memory.</param>
internal sealed class StrongestFound(int? top, float threshold, SpillRoom? room = null)
{
    private readonly int _room = top is { } n ? (int)Math.Min(int.MaxValue / 2, (4L * n) + 4096) : int.MaxValue;
    private readonly RecordSpill<CausalEdge> _all = new(room ?? SpillRoom.Memory);
    private readonly List<(CausalEdge Edge, long Place)> _edges = [];
    private double[] _sums = new double[1024];
    private float _least = threshold;
    private long _seen;

    /// <summary>Those that stay of a graph; heads and outputs choose by more than the effect, so that all have to be there.</summary>
    public static StrongestFound Of(GraphOptions options, SpillRoom room) => options.Heads is null && options.Targets is null
        ? new StrongestFound(options.TopEdges, options.EdgeThreshold, room) : new StrongestFound(null, 0, room);

    /// <summary>Takes an edge.</summary>
    public void Add(CausalEdge edge)
    {
        if (edge.Up >= _sums.Length) Array.Resize(ref _sums, Math.Max(2 * _sums.Length, edge.Up + 1));
        _sums[edge.Up] += edge.Effect;
        var place = _seen++;
        if (Math.Abs(edge.Effect) < _least) return;
        if (top is null)
        {
            _all.Add(edge);
            return;
        }
        _edges.Add((edge, place));
        if (_edges.Count >= _room) Trim();
    }

    /// <summary>Σ effect of all edges that were found from a node, whether they stay or not.</summary>
    public double SumFrom(int node) => node < _sums.Length ? _sums[node] : 0;

    /// <summary>As they were found; where there were more than stay, those that do, the strongest first.</summary>
    public IReadOnlyList<CausalEdge> Edges()
    {
        if (top is not { } n) return _all;
        if (_seen > n) Trim();
        return [.. _edges.Select(e => e.Edge)];
    }

    // of equally strong ones the first found, as of a list of all
    private void Trim()
    {
        _edges.Sort(static (a, b) =>
        {
            var byEffect = Math.Abs(b.Edge.Effect).CompareTo(Math.Abs(a.Edge.Effect));
            return byEffect != 0 ? byEffect : a.Place.CompareTo(b.Place);
        });
        if (_edges.Count <= top) return;
        _edges.RemoveRange(top!.Value, _edges.Count - top.Value);
        if (_edges.Count > 0) _least = Math.Max(_least, Math.Abs(_edges[^1].Edge.Effect));
    }
}
