namespace OnnxAttribution.Attribution;

/// <summary>Parts of a graph that have nothing to do with each other but that both move the metric: weakly connected components of the
/// edges, those into the metric left out. Edges may come in any order.</summary>
internal sealed class SeparateCircuits
{
    private readonly int[] _parent;
    private readonly int[]? _places;
    private readonly float[] _size;
    private readonly long[] _first;
    private long _count;

    /// <param name="nodes">How many nodes there are.</param>
    /// <param name="places">By node, at least so many: its place in the file's order of edges' downstream ends; null: edges come in order.
    /// </param>
    public SeparateCircuits(int nodes, int[]? places = null)
    {
        (_parent, _places, _size, _first) = ([.. Enumerable.Range(0, nodes)], places, new float[nodes], new long[nodes]);
        _size.AsSpan().Fill(-1);
    }

    /// <summary>Which component each node is in. The one with the strongest edge, by |effect|, is 1, and of equal edges the first counts.
    /// </summary>
    /// <param name="nodes">How many nodes there are.</param>
    /// <param name="edges">In order. Ends are indices of nodes; an edge that ends elsewhere, as those into the metric do, joins nothing.
    /// </param>
    /// <returns>[nodes]: from 1; 0 for a node that no edge to another node ends at.</returns>
    public static int[] Of(int nodes, ReadOnlySpan<CausalEdge> edges)
    {
        var circuits = new SeparateCircuits(nodes);
        foreach (ref readonly var edge in edges) circuits.Add(edge);
        return circuits.Numbers();
    }

    /// <summary>Looks at edges as they pass, each chunk once it was taken.</summary>
    public IEnumerable<ReadOnlyMemory<CausalEdge>> Seeing(IEnumerable<ReadOnlyMemory<CausalEdge>> edges)
    {
        foreach (var chunk in edges)
        {
            yield return chunk;
            foreach (ref readonly var edge in chunk.Span) Add(edge);
        }
    }

    private void Add(in CausalEdge edge)
    {
        // edges of different circuits have different ends downstream, so that these tell which comes first
        var place = _places is null ? _count++ : (uint)edge.Down < (uint)_parent.Length ? _places[edge.Down] : 0;
        if ((uint)edge.Down >= (uint)_parent.Length) return;
        _parent[Root(edge.Up)] = Root(edge.Down);
        Take(edge.Up, float.IsNaN(edge.Effect) ? 0 : Math.Abs(edge.Effect), place);
    }

    private void Take(int node, float size, long place)
    {
        if (size > _size[node] || (size == _size[node] && place < _first[node])) (_size[node], _first[node]) = (size, place);
    }

    /// <summary>Which component each node is in, of the edges seen (<see cref="Of"/>).</summary>
    public int[] Numbers()
    {
        for (var i = 0; i < _parent.Length; i++)
        {
            if (_size[i] >= 0) Take(Root(i), _size[i], _first[i]);
        }
        var number = new int[_parent.Length];
        foreach (var (place, root) in Enumerable.Range(0, _parent.Length).Where(i => Root(i) == i && _size[i] >= 0)
            .OrderByDescending(i => _size[i]).ThenBy(i => _first[i]).Index())
        {
            number[root] = place + 1;
        }
        return [.. Enumerable.Range(0, _parent.Length).Select(i => number[Root(i)])];
    }

    // halves the way as it goes
    private int Root(int node)
    {
        while (_parent[node] != node) node = _parent[node] = _parent[_parent[node]];
        return node;
    }
}
