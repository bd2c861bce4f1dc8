using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Validation;

/// <summary>All pairs of nodes that have a direct path between them and no edge in the run: too many to list, so all with a path are
/// numbered, and a number tells its pair.</summary>
internal sealed class DroppedPairs
{
    // the pairs of one downstream end with nodes of one site: upstream ones by position, from a place in their list on
    private readonly record struct PairRun(int Down, int[] Ups, int From, int Count);

    private readonly IReadOnlyList<CausalNode> _nodes;
    private readonly List<PairRun> _runs = [];
    private readonly List<long> _ends = [];
    private readonly HashSet<NodePair> _held;

    /// <param name="ups">Nodes that may be an upstream end, ascending.</param>
    /// <param name="downs">Nodes that may be a downstream end, ascending.</param>
    /// <param name="metricPosition">Where the metric is read.</param>
    public DroppedPairs(CheckedGraph graph, IReadOnlyList<SitePair> sitePairs, IEnumerable<int> ups, IEnumerable<int> downs,
        int metricPosition)
    {
        _nodes = graph.Nodes;
        var (from, to) = (ups.ToLookup(i => _nodes[i].Site), downs.ToLookup(i => _nodes[i].Site));
        foreach (var pair in sitePairs)
        {
            int[] list = [.. from[pair.Up].Where(i => pair.FromErrors || !_nodes[i].IsError)];
            if (pair.Down is null)
            {
                Number(CausalEdge.Metric, list, pair.SamePosition, metricPosition);
                continue;
            }
            foreach (var down in to[pair.Down].Where(i => pair.IntoErrors || !_nodes[i].IsError))
            {
                Number(down, list, pair.SamePosition, _nodes[down].Position);
            }
        }
        var places = _runs.ToDictionary(r => (r.Down, _nodes[r.Ups[0]].Site));
        _held = [.. graph.Edges.Select(e => new NodePair(e.Up, e.Down)).Where(e => IsNumbered(e, places))];
        Count = All - _held.Count;
    }

    /// <summary>How many there are.</summary>
    public long Count { get; }

    private long All => _ends.Count == 0 ? 0 : _ends[^1];

    /// <summary>Each as likely as any other, none twice; all of them where there are no more.</summary>
    public NodePair[] Draw(int count, Random random)
    {
        if (Count <= count) return [.. Numbers().Select(At).Where(p => !_held.Contains(p))];
        var drawn = new HashSet<NodePair>();
        while (drawn.Count < count)
        {
            var pair = At(random.NextInt64(All));
            if (!_held.Contains(pair)) drawn.Add(pair);
        }
        return [.. drawn];
    }

    private IEnumerable<long> Numbers()
    {
        for (long i = 0; i < All; i++) yield return i;
    }

    private NodePair At(long number)
    {
        var found = _ends.BinarySearch(number + 1);
        var run = _runs[found < 0 ? ~found : found];
        var first = _ends[found < 0 ? ~found : found] - run.Count;
        return new NodePair(run.Ups[run.From + (number - first)], run.Down);
    }

    private bool IsNumbered(NodePair edge, Dictionary<(int, Site), PairRun> places) =>
        places.TryGetValue((edge.Down, _nodes[edge.Up].Site), out var run)
        && Array.BinarySearch(run.Ups, run.From, run.Count, edge.Up) >= 0;

    private void Number(int down, int[] ups, bool samePosition, int position)
    {
        var from = samePosition ? FirstAt(ups, position) : 0;
        var count = FirstAt(ups, position + 1) - from;
        if (count <= 0) return;
        _runs.Add(new PairRun(down, ups, from, count));
        _ends.Add(All + count);
    }

    private int FirstAt(int[] list, int position)
    {
        int low = 0, high = list.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_nodes[list[middle]].Position < position) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
