using System.Runtime.InteropServices;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Graphs summed over positions, and their mean over prompts, as Marks et al. do. What is kept is chosen by the sums, never before:
/// 1. Per (site, feature) all effects and activations are summed over positions and divided by the number of prompts;
///    where a feature is not active it counts 0.
/// 2. The strongest of these nodes are kept.
/// 3. Per pair of kept nodes the edges between all their positions are summed, over all prompts, and divided likewise.
/// 4. The strongest of these edges are kept.
/// </summary>
/// <remarks>
/// Marks et al. 2024 (arXiv:2403.19647), section 3.1. A summed node stands at <see cref="TokenPosition.All"/>. A gradient or a jacobian at
/// no position means nothing: NaN. Step 3 needs to know step 2's nodes, so many prompts are run twice: their edges among all nodes
/// that might be kept would not fit into memory, and neither would what the runs leave (about 75 MB a prompt of 16 tokens at
/// GPT-2-small's shape with 37 dictionaries of 24,576 features).
/// </remarks>
internal sealed class GraphSum
{
    private readonly IReadOnlyList<Site> _sites;
    private readonly Dictionary<(Site Site, int Feature), NodeTotal> _totals = [];
    private readonly Dictionary<(Site Site, int Feature), int> _kept;
    private readonly Dictionary<(int Up, int Down), double> _edges = [];
    private readonly Dictionary<(int Up, Site Down), double> _switchedOn = [];

    /// <param name="sites">In the order of computation.</param>
    internal GraphSum(IReadOnlyList<Site> sites) : this(sites, [])
    {
    }

    private GraphSum(IReadOnlyList<Site> sites, Dictionary<(Site Site, int Feature), int> kept) => (_sites, _kept) = (sites, kept);

    /// <summary>Prompts whose nodes were added so far.</summary>
    internal int Count { get; private set; }

    /// <summary>The means, once they are chosen from, in the order of a single graph:
    /// sites in the order of computation, features ascending, the error node last.</summary>
    internal List<CausalNode> Nodes { get; private set; } = [];

    /// <summary>The means of the edges added so far, between kept nodes.</summary>
    internal List<CausalEdge> Edges => [.. _edges.Select(e => new CausalEdge(e.Key.Up, e.Key.Down, float.NaN, (float)(e.Value / Count)))];

    /// <summary>The means of what switched on, by kept node and site.</summary>
    internal List<SwitchedOnEdge> SwitchedOn =>
        [.. _switchedOn.Select(e => new SwitchedOnEdge(e.Key.Up, e.Key.Down, (float)(e.Value / Count)))];

    /// <summary>The sums, in the order of a single graph: sites in the order of computation, features ascending, the error node last.
    /// </summary>
    internal IEnumerable<(Site Site, int Feature, NodeTotal Total)> Totals
    {
        get
        {
            var order = _sites.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
            return _totals.OrderBy(t => order[t.Key.Site]).ThenBy(t => (uint)t.Key.Feature)   // the error's −1 comes last
                .Select(t => (t.Key.Site, t.Key.Feature, t.Value));
        }
    }

    /// <summary>Adds one prompt's nodes, kept there or not.</summary>
    internal void Add(IReadOnlyList<CausalNode> nodes)
    {
        Count++;
        foreach (var node in nodes)
        {
            ref var total = ref CollectionsMarshal.GetValueRefOrAddDefault(_totals, (node.Site, node.Feature), out _);
            total = total.Plus(node, Count);
        }
    }

    /// <summary>Takes what others have added up.</summary>
    /// <param name="count">Prompts that these sums are over.</param>
    internal void Take(IEnumerable<(Site Site, int Feature, NodeTotal Total)> totals, int count)
    {
        foreach (var (site, feature, total) in totals) _totals.Add((site, feature), total);
        Count += count;
    }

    /// <summary>Chooses which nodes are kept, by the means. No nodes can be added afterwards.</summary>
    internal void ChooseNodes(GraphOptions options)
    {
        Nodes = [.. Totals.Select(t => t.Total.Mean(t.Site, t.Feature, Count))];
        Selection.KeepStrongest(Nodes, options);
        for (var i = 0; i < Nodes.Count; i++)
        {
            if (Nodes[i].Kept) _kept.Add((Nodes[i].Site, Nodes[i].Feature), i);
        }
    }

    /// <summary>The edges' sums since the last call, by kept nodes, and of what switched on; they are forgotten here.</summary>
    internal (List<(int Up, int Down, double Effect)> Edges, List<(int Up, Site Down, double Effect)> SwitchedOn) TakeEdges()
    {
        var taken = (_edges.Select(e => (e.Key.Up, e.Key.Down, e.Value)).ToList(),
            _switchedOn.Select(e => (e.Key.Up, e.Key.Down, e.Value)).ToList());
        _edges.Clear();
        _switchedOn.Clear();
        return taken;
    }

    /// <summary>A sum of edges alone between the nodes that were chosen here, for one prompt of several.</summary>
    internal GraphSum OfSameNodes() => new(_sites, _kept) { Nodes = Nodes, Count = Count };

    /// <summary>The place of a kept node in <see cref="Nodes"/>; −1 of others.</summary>
    internal int PlaceOf(Site site, int feature) => _kept.GetValueOrDefault((site, feature), -1);

    /// <summary>A prompt's nodes, kept where their feature is, at whatever position; and what adds an edge between them.</summary>
    internal (IReadOnlyList<CausalNode> Nodes, FoundEdges Found) KeptAmong(IReadOnlyList<CausalNode> nodes)
    {
        int[] places = [.. nodes.Select(n => _kept.GetValueOrDefault((n.Site, n.Feature), -1))];
        return ([.. nodes.Select((n, i) => n with { Kept = places[i] >= 0 })], new FoundEdges(
            edge =>
            {
                var ends = (places[edge.Up], edge.Down == CausalEdge.Metric ? CausalEdge.Metric : places[edge.Down]);
                CollectionsMarshal.GetValueRefOrAddDefault(_edges, ends, out _) += edge.Effect;
            },
            edge => CollectionsMarshal.GetValueRefOrAddDefault(_switchedOn, (places[edge.Up], edge.Down), out _) += edge.Effect));
    }
}
