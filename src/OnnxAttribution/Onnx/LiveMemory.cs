namespace OnnxAttribution.Onnx;

/// <summary>Memory that a graph takes while it is run, from its shapes.</summary>
internal static class LiveMemory
{
    // yield what they are given under another shape
    private static readonly HashSet<string> s_views = ["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"];

    /// <summary>The most bytes of values that live at one time: each from the operator that makes it to the last that reads it, outputs to
    /// the end; what follows from weights alone does not count, nor do inputs.</summary>
    /// <param name="sizes">Sizes of the symbolic axes.</param>
    public static long Peak(OnnxGraph graph, IReadOnlyDictionary<string, long> sizes)
    {
        var (ops, made) = (graph.Ops(), Folded(graph));
        var owners = new Dictionary<Value, Value>();
        Value Owner(Value v) => owners.GetValueOrDefault(v, v);
        foreach (var op in ops)
        {
            if (s_views.Contains(op.Type) && op.In[0] is { } x && op.Out[0] is { } y) owners[y] = Owner(x);
        }
        var last = new Dictionary<Value, Op>();
        foreach (var op in ops)
        {
            foreach (var v in op.In.Concat(op.Out)) if (v is not null) last[Owner(v)] = op;
        }
        foreach (var output in graph.Outputs) last.Remove(Owner(output));
        var ends = last.ToLookup(p => p.Value, p => p.Key);
        var (live, most, living) = (0L, 0L, new Dictionary<Value, long>());
        foreach (var op in ops)
        {
            foreach (var v in op.Out)
            {
                if (v is null || owners.ContainsKey(v) || made.Contains(v)) continue;
                living[v] = Bytes(v, sizes);
                live += living[v];
            }
            most = Math.Max(most, live);
            foreach (var v in ends[op])
            {
                if (living.Remove(v, out var bytes)) live -= bytes;
            }
        }
        return most;
    }

    /// <summary>Bytes of weights that a session holds beside the mapped file: laid out for its products, or turned.</summary>
    /// <param name="packed">Whether it lays weights out.</param>
    public static long Copies(OnnxGraph graph, bool packed)
    {
        var (folded, none) = (Folded(graph), new Dictionary<string, long>());
        bool IsWeight(Value? v) => v is not null && (v.IsConstant || folded.Contains(v));
        var read = new HashSet<Value>();
        foreach (var op in graph.Ops().Where(op => op.Out.Any(v => v is not null && !folded.Contains(v))))
        {
            if (packed && op.Type is "MatMul" or "Gemm" && IsWeight(op.In[1])) read.Add(op.In[1]!);
            else read.UnionWith(op.In.OfType<Value>().Where(folded.Contains));
        }
        return read.Where(v => v.Shape is { } shape && shape.All(d => d.Size is not null)).Sum(v => Bytes(v, none));
    }

    // what the runtime computes once, when the session is made
    private static HashSet<Value> Folded(OnnxGraph graph)
    {
        var folded = new HashSet<Value>();
        foreach (var op in graph.Ops())
        {
            if (op.In.Count == 0 || !op.In.All(v => v is null || v.IsConstant || folded.Contains(v))) continue;
            folded.UnionWith(op.Out.OfType<Value>());
        }
        return folded;
    }

    // nothing of a shape that is not known
    private static long Bytes(Value v, IReadOnlyDictionary<string, long> sizes) =>
        v.Shape is not { } shape || shape.Any(d => d.Size is null && d.Symbol is null) ? 0
            : shape.Aggregate((long)(Constants.BytesPerEntry(v.Type) ?? 8), (n, d) => n * FlopCount.Size(d, sizes));
}
