using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A graph as rows of nodes.parquet and edges.parquet.</summary>
internal static class GraphRows
{
    private const int Chunk = 1 << 16;

    /// <summary>All nodes, kept or not.</summary>
    public static NodeRow[] Of(IReadOnlyList<CausalNode> nodes, Func<int, string> tokenAt)
    {
        var tokens = new Dictionary<int, string>();
        var rows = new NodeRow[nodes.Count];
        for (var i = 0; i < rows.Length; i++)
        {
            var n = nodes[i];
            if (!tokens.TryGetValue(n.Position, out var token)) tokens[n.Position] = token = tokenAt(n.Position);
            rows[i] = new NodeRow(n.Site.Name, n.Site.Layer, n.Site.KindName, n.Position, token, n.Feature, n.Activation, n.PatchActivation,
                n.Gradient, n.Effect, n.Kept)
            {
                Attribution = n.Attribution,
                Exact = n.Exact,
                Method = n.Method,
                EffectError = n.EffectError,
                Influence = n.Influence,
            };
        }
        return rows;
    }

    public static IReadOnlyList<SwitchedOnRow> Of(IReadOnlyList<SwitchedOnEdge> switchedOn) =>
        [.. switchedOn.Select(s => new SwitchedOnRow(s.Up, s.Down.Name, s.Effect))];

    public static IEnumerable<ReadOnlyMemory<CausalEdge>> Of(IReadOnlyList<CausalEdge> edges)
    {
        var buffer = new CausalEdge[Math.Min(Chunk, edges.Count)];
        for (var first = 0; first < edges.Count; first += buffer.Length)
        {
            var count = Math.Min(buffer.Length, edges.Count - first);
            for (var i = 0; i < count; i++) buffer[i] = edges[first + i];
            yield return buffer.AsMemory(0, count);
        }
    }
}
