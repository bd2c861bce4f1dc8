using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>A model's graph in which norms divide by their <c>hook_scale</c>, which else only names what they have divided by: so that
/// the scale can be changed.</summary>
internal static class OpenedNorms
{
    private const string Scale = ".hook_scale";

    /// <param name="graph">For any number of rows; it stays as it is.</param>
    /// <param name="hooks">Names of tensors that are read beside the logits.</param>
    public static OnnxGraph Of(OnnxGraph graph, IReadOnlyList<string> hooks)
    {
        var norms = hooks.Where(h => h.EndsWith(Scale, StringComparison.Ordinal))
            .Select(h => (Hook: graph[h], Norm: graph.Values.GetValueOrDefault(h[..^Scale.Length] + ".normalized")?.Producer))
            .Where(n => n.Norm is { Type: "LayerNormalization" or "RMSNormalization" } && IsOverLast(n.Norm))
            .ToDictionary(n => n.Norm!, n => n.Hook);
        if (norms.Count == 0) return graph;
        var (g, copies, done) = (new GraphBuilder("opened/"), new OpCopies(), new HashSet<Op>());
        // the scales first: a norm comes after its own
        copies.Through(Topology.Between([], [.. norms.Values, graph[ModelBundle.Logits], .. hooks.Select(h => graph[h])]), op =>
        {
            if (done.Contains(op)) return true;
            if (!norms.TryGetValue(op, out var hook)) return false;
            if (op.Type == "LayerNormalization" && op.In.Any(copies.Has)) done.UnionWith(ReadScale(op, copies, hook));
            copies[op.Out[0]!] = Opened(g, op, copies, hook);
            return true;
        });
        return new OnnxGraph(graph.Inputs, [copies[graph[ModelBundle.Logits]]])
        {
            Values = graph.Values.ToDictionary(v => v.Key, v => copies[v.Value]),
            OpsetVersion = graph.OpsetVersion,
        };
    }

    // (x − mean) / scale, then gain and bias
    private static Value Opened(GraphBuilder g, Op op, OpCopies copies, Value hook)
    {
        var x = copies[op.In[0]!];
        var centred = op.Type == "LayerNormalization" ? g.Sub(x, g.ReduceMean(x, true, -1)) : x;
        var scaled = g.Mul(g.Div(centred, copies[hook]), copies[op.In[1]!]);
        return op.In.Count > 2 && op.In[2] is { } bias ? g.Add(scaled, copies[bias]) : scaled;
    }

    // LayerNorm's scale is made of what the operator itself yields, of a copy of its input here
    private static IReadOnlyList<Op> ReadScale(Op norm, OpCopies copies, Value hook)
    {
        copies.Again(norm);
        var behind = Topology.Between([.. norm.Out.OfType<Value>()], [hook]);
        foreach (var op in behind) copies.Again(op);
        return behind;
    }

    private static bool IsOverLast(Op norm) => norm.Int("axis", -1) == -1;
}
