using System.Runtime.InteropServices;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>
/// The error nodes of a site that are no rows of their own, in one row at <see cref="TokenPosition.All"/>.
/// 1. Per site the strongest errors stay nodes; where two or more are left, they are members of the site's lump.
/// 2. Edges are found from and into members as from and into any node, and summed: what the lump does is what its members do, and what is
///    done to it is what is done to them. So the sums over all rows are as they were, and effects are conserved.
/// </summary>
/// <remarks>Of 256 positions nearly all nodes would be errors, and most edges between them; where a site's features miss something is
/// seen from the strongest.</remarks>
internal sealed class LumpedErrors
{
    private readonly IReadOnlyList<CausalNode> _members;
    private readonly int[] _places;
    private readonly HashSet<int> _lumps;
    private readonly Dictionary<(int Up, int Down), (double Effect, double Weight)> _edges = [];
    private readonly Dictionary<(int Up, Site Down), double> _switchedOn = [];

    private LumpedErrors(IReadOnlyList<CausalNode> members, List<CausalNode> nodes, int[] places, HashSet<int> lumps) =>
        (_members, Nodes, _places, _lumps) = (members, nodes, places, lumps);

    /// <summary>The graph's nodes: a site's lump stands behind all others of the site.</summary>
    public List<CausalNode> Nodes { get; }

    /// <summary>All nodes, of which members of lumps are kept, so that edges are found from and into them.</summary>
    public IReadOnlyList<CausalNode> Members => _members;

    /// <param name="nodes">Site by site, the strongest chosen; they are not changed.</param>
    public static LumpedErrors Of(List<CausalNode> nodes, GraphOptions options)
    {
        if (options.LumpedBeyond is not { } top) return new(nodes, nodes, [], []);
        var (members, lumped, places) = (new List<CausalNode>(nodes), new List<CausalNode>(nodes.Count), new int[nodes.Count]);
        var lumps = new HashSet<int>();
        for (int first = 0, end; first < nodes.Count; first = end)
        {
            for (end = first + 1; end < nodes.Count && nodes[end].Site == nodes[first].Site;) end++;
            var rest = Enumerable.Range(first, end - first).Where(i => nodes[i] is { IsError: true, IsToken: false })
                .OrderByDescending(i => Math.Abs(nodes[i].Effect)).ThenBy(i => i).Skip(top).Order().ToList();
            var lump = rest.Count < 2 ? null : Lump([.. rest.Select(i => nodes[i])], options);
            var inLump = lump is null ? [] : rest.ToHashSet();
            for (var i = first; i < end; i++)
            {
                if (inLump.Contains(i)) continue;
                places[i] = lumped.Count;
                lumped.Add(nodes[i]);
            }
            foreach (var i in inLump) (places[i], members[i]) = (lumped.Count, nodes[i] with { Kept = lump!.Kept });
            if (lump is null) continue;
            lumps.Add(lumped.Count);
            lumped.Add(lump);
        }
        return lumps.Count == 0 ? new(nodes, nodes, [], []) : new(members, lumped, places, lumps);
    }

    /// <summary>Who is told of edges between <see cref="Members"/>; <paramref name="found"/> is told of those between
    /// <see cref="Nodes"/>, of lumps' when all are found (<see cref="Close"/>).</summary>
    public FoundEdges Among(FoundEdges found) => _lumps.Count == 0 ? found : new(
        edge =>
        {
            var (up, down) = (_places[edge.Up], edge.Down == CausalEdge.Metric ? CausalEdge.Metric : _places[edge.Down]);
            if (!_lumps.Contains(up) && !_lumps.Contains(down))
            {
                found.Edge(edge with { Up = up, Down = down });
                return;
            }
            ref var sum = ref CollectionsMarshal.GetValueRefOrAddDefault(_edges, (up, down), out _);
            sum = (sum.Effect + edge.Effect, sum.Weight + edge.Weight);
        },
        edge =>
        {
            if (!_lumps.Contains(_places[edge.Up])) found.SwitchedOn(edge with { Up = _places[edge.Up] });
            else CollectionsMarshal.GetValueRefOrAddDefault(_switchedOn, (_places[edge.Up], edge.Down), out _) += edge.Effect;
        });

    /// <summary>Tells of the lumps' edges: all others have been told.</summary>
    public void Close(FoundEdges found)
    {
        foreach (var ((up, down), (effect, weight)) in _edges)
        {
            found.Edge(new CausalEdge(up, down, float.NaN, (float)effect) { Weight = (float)weight });
        }
        foreach (var ((up, down), effect) in _switchedOn) found.SwitchedOn(new SwitchedOnEdge(up, down, (float)effect));
    }

    private static CausalNode Lump(IReadOnlyList<CausalNode> members, GraphOptions options)
    {
        float Sum(Func<CausalNode, float> of) => (float)members.Sum(m => (double)of(m));
        var effect = Sum(m => m.Effect);
        return new CausalNode(members[0].Site, TokenPosition.All, CausalNode.Error, Sum(m => m.Activation), Sum(m => m.PatchActivation),
            float.NaN, effect)
        {
            Attribution = Sum(m => m.Attribution),
            Exact = Sum(m => m.Exact),
            Method = members.All(m => m.Method == members[0].Method) ? members[0].Method : NodeMethods.Mixed,
            // errors of positions have nothing to do with each other, as in every sum
            EffectError = (float)Math.Sqrt(members.Sum(m => (double)m.EffectError * m.EffectError)),
            Kept = Math.Abs(effect) >= options.NodeThreshold,
            IsLump = true,
        };
    }
}
