namespace OnnxAttribution.Attribution;

/// <summary>Parts of a graph that have nothing to do with each other but that both move the metric: weakly connected components of the
/// edges, those into the metric left out.</summary>
internal static class SeparateCircuits
{
    /// <summary>Which component each node is in. The one with the strongest edge, by |effect|, is 1, and of equal edges the first counts.
    /// </summary>
    /// <param name="nodes">How many nodes there are.</param>
    /// <param name="edges">Ends are indices of nodes; an edge that ends elsewhere, as those into the metric do, joins nothing.</param>
    /// <returns>[nodes]: from 1; 0 for a node that no edge to another node ends at.</returns>
    public static int[] Of(int nodes, ReadOnlySpan<CausalEdge> edges)
    {
        var parent = new int[nodes];
        for (var i = 0; i < nodes; i++) parent[i] = i;
        foreach (var e in edges)
        {
            if ((uint)e.Down < (uint)nodes) parent[Root(parent, e.Up)] = Root(parent, e.Down);
        }
        var (size, strongest) = (new float[nodes], new int[nodes]);
        size.AsSpan().Fill(-1);
        for (var i = 0; i < edges.Length; i++)
        {
            if ((uint)edges[i].Down >= (uint)nodes) continue;
            var (root, effect) = (Root(parent, edges[i].Up), float.IsNaN(edges[i].Effect) ? 0 : Math.Abs(edges[i].Effect));
            if (effect > size[root]) (size[root], strongest[root]) = (effect, i);
        }
        var number = new int[nodes];
        foreach (var (root, place) in Enumerable.Range(0, nodes).Where(i => size[i] >= 0).OrderByDescending(i => size[i])
            .ThenBy(i => strongest[i]).Select((root, place) => (root, place)))
        {
            number[root] = place + 1;
        }
        var result = new int[nodes];
        for (var i = 0; i < nodes; i++) result[i] = number[Root(parent, i)];
        return result;
    }

    // halves the way as it goes
    private static int Root(int[] parent, int node)
    {
        while (parent[node] != node) node = parent[node] = parent[parent[node]];
        return node;
    }
}
