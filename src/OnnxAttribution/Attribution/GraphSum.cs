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
    private readonly Dictionary<(Site Site, int Feature), int> _kept = [];
    private readonly Dictionary<(int Up, int Down), double> _edges = [];
    private readonly Dictionary<(int Up, Site Down), double> _switchedOn = [];

    /// <param name="sites">In the order of computation.</param>
    internal GraphSum(IReadOnlyList<Site> sites) => _sites = sites;

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

    /// <summary>Adds one prompt's nodes, kept there or not.</summary>
    internal void Add(IReadOnlyList<CausalNode> nodes)
    {
        foreach (var node in nodes)
        {
            ref var total = ref CollectionsMarshal.GetValueRefOrAddDefault(_totals, (node.Site, node.Feature), out _);
            total = total.Plus(node);
        }
        Count++;
    }

    /// <summary>Chooses which nodes are kept, by the means. No nodes can be added afterwards.</summary>
    internal void ChooseNodes(GraphOptions options)
    {
        var order = _sites.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
        Nodes = [.. _totals.OrderBy(t => order[t.Key.Site])
            .ThenBy(t => (uint)t.Key.Feature)
            .Select(t => t.Value.Mean(t.Key.Site, t.Key.Feature, Count))];   // the error's −1 comes last
        Selection.KeepStrongest(Nodes, options);
        for (var i = 0; i < Nodes.Count; i++)
        {
            if (Nodes[i].Kept) _kept.Add((Nodes[i].Site, Nodes[i].Feature), i);
        }
    }

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

    private readonly record struct NodeTotal(double Activation, double PatchActivation, double Effect)
    {
        private double Attribution { get; init; }

        // NaN as soon as one of them was not measured
        private double Exact { get; init; }
        private string? Method { get; init; }

        // errors of prompts and positions have nothing to do with each other
        private double SquaredError { get; init; }

        public NodeTotal Plus(CausalNode node) =>
            new(Activation + node.Activation, PatchActivation + node.PatchActivation, Effect + node.Effect)
            {
                Attribution = Attribution + node.Attribution,
                Exact = Exact + node.Exact,
                Method = Method is null || Method == node.Method ? node.Method : NodeMethods.Mixed,
                SquaredError = SquaredError + ((double)node.EffectError * node.EffectError),
            };

        public CausalNode Mean(Site site, int feature, int count) =>
            new(site, TokenPosition.All, feature, (float)(Activation / count), (float)(PatchActivation / count), float.NaN,
                (float)(Effect / count))
            {
                Attribution = (float)(Attribution / count),
                Exact = (float)(Exact / count),
                Method = Method!,
                EffectError = (float)(Math.Sqrt(SquaredError) / count),
            };
    }
}
