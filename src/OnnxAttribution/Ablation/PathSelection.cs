using OnnxAttribution.Attribution;

namespace OnnxAttribution.Ablation;

/// <summary>
/// Which edges lie on paths that are long enough, and the strongest such paths (Udell 2024).
/// 1. An edge's longest path has the edges of the longest path that ends where it begins,
///    itself, and those of the longest path that begins where it ends.
/// 2. Edges on no path of the wanted length go. Those that stay keep their paths: each edge of a long path lies on it itself.
/// 3. Chains: from the strongest edge that no chain has yet, the strongest edge on either side, again and again, as far as it goes.
/// </summary>
internal static class PathSelection
{
    /// <summary>Which edges lie on a path of at least <paramref name="minPath"/> edges.</summary>
    /// <param name="edges">Between nodes by their numbers, each from a smaller number to a larger one. Jacobians are not read.</param>
    /// <returns>Per edge, whether it stays.</returns>
    public static bool[] Keep(IReadOnlyList<CausalEdge> edges, int minPath)
    {
        var (before, after) = Lengths(edges);
        return [.. edges.Select(e => before.GetValueOrDefault(e.Up) + 1 + after.GetValueOrDefault(e.Down) >= minPath)];
    }

    /// <summary>Chains of at least <paramref name="minPath"/> edges, the strongest first:
    /// by the |effect| of the strongest edge that is in none before it.</summary>
    /// <param name="edges">Edges that stay.</param>
    /// <param name="most">Chains at most.</param>
    /// <returns>Indices of edges, from upstream to downstream.</returns>
    public static IReadOnlyList<IReadOnlyList<int>> Chains(IReadOnlyList<CausalEdge> edges, int minPath, int most)
    {
        var (before, after) = Lengths(edges);
        var strongest = Enumerable.Range(0, edges.Count).OrderByDescending(i => Math.Abs(edges[i].Effect)).ThenBy(i => i).ToList();
        var (from, into) = (strongest.ToLookup(i => edges[i].Up), strongest.ToLookup(i => edges[i].Down));   // each strongest first
        var used = new HashSet<int>();
        var chains = new List<IReadOnlyList<int>>();
        foreach (var start in strongest)
        {
            if (chains.Count == most) break;
            if (used.Contains(start)) continue;
            var chain = new LinkedList<int>([start]);
            // downstream first; of the edges that leave a path long enough, the strongest
            for (var last = start; ; chain.AddLast(last))
            {
                var needed = minPath - before.GetValueOrDefault(edges[start].Up) - chain.Count;
                if (Next(from[edges[last].Down], i => 1 + after.GetValueOrDefault(edges[i].Down) >= needed) is not { } next) break;
                last = next;
            }
            for (var first = start; ; chain.AddFirst(first))
            {
                var needed = minPath - chain.Count;
                if (Next(into[edges[first].Up], i => 1 + before.GetValueOrDefault(edges[i].Up) >= needed) is not { } next) break;
                first = next;
            }
            used.UnionWith(chain);
            if (chain.Count >= minPath) chains.Add([.. chain]);
        }
        return chains;
    }

    private static int? Next(IEnumerable<int> strongestFirst, Func<int, bool> longEnough)
    {
        foreach (var i in strongestFirst)
        {
            if (longEnough(i)) return i;
        }
        return null;
    }

    // per node, edges of the longest path that ends there, and of the longest that begins there
    private static (Dictionary<int, int> Before, Dictionary<int, int> After) Lengths(IReadOnlyList<CausalEdge> edges)
    {
        Dictionary<int, int> before = [], after = [];
        foreach (var e in edges.OrderBy(e => e.Up))
        {
            before[e.Down] = Math.Max(before.GetValueOrDefault(e.Down), before.GetValueOrDefault(e.Up) + 1);
        }
        foreach (var e in edges.OrderByDescending(e => e.Down))
        {
            after[e.Up] = Math.Max(after.GetValueOrDefault(e.Up), after.GetValueOrDefault(e.Down) + 1);
        }
        return (before, after);
    }
}
