using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Validation;

/// <summary>Draws pairs of nodes that have a direct path between them and no edge in the run.
/// There are far too many to list, so they are drawn until one is new.</summary>
/// <param name="moving">Nodes that may be an end, ascending.</param>
/// <param name="held">Edges of the run.</param>
internal sealed class DroppedEdges(IReadOnlyList<CausalNode> nodes, int[] moving, IReadOnlyList<SitePair> sitePairs,
    HashSet<NodePair> held, Random random)
{
    // a run that keeps nearly all edges has few to find
    private const int Attempts = 30;

    // per site, features and errors: nodes by position
    private readonly ILookup<(Site Site, bool IsError), int> _nodes = moving.ToLookup(i => (nodes[i].Site, nodes[i].IsError));
    private readonly Dictionary<(Site, bool, bool), int[]> _lists = [];

    // the metric's position: no node after it moves the metric
    private readonly int _last = moving.Select(i => nodes[i].Position).DefaultIfEmpty(0).Max();

    /// <summary>Pairs of sites take turns, each with features and with errors; ends when none finds any more.</summary>
    public List<NodePair> Draw(int count)
    {
        var found = new HashSet<NodePair>();
        var open = sitePairs.SelectMany(l => (bool[])[false, true], (sites, errors) => (sites, errors)).ToList();
        while (found.Count < count && open.Count > 0)
        {
            var turn = open.ToArray();
            random.Shuffle(turn);
            foreach (var (sites, errors) in turn)
            {
                if (found.Count >= count) break;
                if (New(sites, errors, found) is { } pair) found.Add(pair);
                else open.Remove((sites, errors));
            }
        }
        return [.. found];
    }

    private NodePair? New(SitePair sites, bool errors, HashSet<NodePair> found)
    {
        for (var i = 0; i < Attempts; i++)
        {
            if (One(sites, errors) is { } pair && !held.Contains(pair) && !found.Contains(pair)) return pair;
        }
        return null;
    }

    private NodePair? One(SitePair sites, bool errors)
    {
        // with errors: either end or both, where edges have them
        int[] ends = !errors ? [0]
            : [.. Enumerable.Range(1, sites.Down is null ? 1 : 3).Where(e => (e & 1) == 0 || sites.FromErrors)
                .Where(e => (e & 2) == 0 || sites.IntoErrors)];
        if (ends.Length == 0) return null;
        var which = errors ? ends[random.Next(ends.Length)] : 0;
        var (upIsError, downIsError) = ((which & 1) != 0, (which & 2) != 0);
        if (sites.Down is null)
        {
            return Any(List(sites.Up, upIsError, false), sites.SamePosition ? _last : null, int.MaxValue) is { } only
                ? new NodePair(only, CausalEdge.Metric)
                : null;
        }
        if (Any(List(sites.Down, downIsError, true), null, int.MaxValue) is not { } down) return null;
        var position = nodes[down].Position;
        return Any(List(sites.Up, upIsError, false), sites.SamePosition ? position : null, position) is { } up
            ? new NodePair(up, down)
            : null;
    }

    // one of a list's nodes at a position, or up to another
    private int? Any(int[] list, int? at, int upTo)
    {
        int from = at is { } p ? FirstFrom(list, p) : 0,
            to = upTo == int.MaxValue && at is null ? list.Length : FirstFrom(list, (at ?? upTo) + 1);
        return from < to ? list[random.Next(from, to)] : null;
    }

    private int FirstFrom(int[] list, int position)
    {
        int low = 0, high = list.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (nodes[list[middle]].Position < position) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    // g_d is a factor of both the approximate and the exact effect: where it is 0 there is nothing to compare
    private int[] List(Site site, bool isError, bool downstream) => _lists.TryGetValue((site, isError, downstream), out var list) ? list
        : _lists[(site, isError, downstream)] = [.. _nodes[(site, isError)].Where(i => !downstream || nodes[i].Gradient != 0)];
}
