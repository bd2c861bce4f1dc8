namespace OnnxAttribution.Onnx;

/// <summary>Floating-point operations of a graph's matrix products, from its shapes: what the machine cannot do without.</summary>
internal static class FlopCount
{
    /// <summary>2 m n k for every MatMul and Gemm.</summary>
    /// <param name="sizes">Sizes of the symbolic axes: position, rows, tangents, slots.</param>
    public static long Of(OnnxGraph graph, IReadOnlyDictionary<string, long> sizes)
    {
        var total = 0L;
        foreach (var op in graph.Ops())
        {
            if (op.Type is not ("MatMul" or "Gemm") || op.In.Take(2).All(v => v!.IsFixed)) continue;
            var inner = op.In[0]!.Shape!;
            var k = op.Type == "Gemm" && op.Int("transA", 0) != 0 ? inner[0] : inner[^1];
            total += 2 * Size(k, sizes) * op.Out[0]!.Shape!.Aggregate(1L, (n, d) => n * Size(d, sizes));
        }
        return total;
    }

    /// <summary>Bytes of the values whose first axis is <paramref name="symbol"/>, for one entry of that axis:
    /// an upper bound of what one more row costs.</summary>
    public static long BytesPer(OnnxGraph graph, string symbol, IReadOnlyDictionary<string, long> sizes)
    {
        var one = new Dictionary<string, long>(sizes) { [symbol] = 1 };
        return 4 * graph.Ops()
            .SelectMany(o => o.Out)
            .Where(v => v?.Shape is not null && v.Shape.Any(d => d.Symbol?.Split('*').Contains(symbol) == true))
            .Sum(v => v!.Shape!.Aggregate(1L, (n, d) => n * Size(d, one)));
    }

    internal static long Size(Dim d, IReadOnlyDictionary<string, long> sizes)
    {
        if (d.Size is { } n) return n;
        if (d.Symbol is null) throw new GraphException("a matrix product has an axis of unknown size: its operations cannot be counted");
        return d.Symbol.Split('*').Aggregate(1L, (p, s) => p * (sizes.TryGetValue(s, out var size) ? size : long.Parse(s)));
    }
}
