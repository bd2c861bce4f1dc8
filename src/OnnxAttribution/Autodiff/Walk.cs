using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>What both walks, backward and forward, do around the rules: sizes, broadcasting, and the primal as a rule sees it.</summary>
internal static class Walk
{
    /// <summary>Sums a cotangent [B, …] over the axes along which <paramref name="x"/> was broadcast; never over B.</summary>
    public static Value FitTo(GraphBuilder g, Value cotangent, Value x, Func<Value, Value> seen)
    {
        var shape = cotangent.Shape;
        var extra = cotangent.Rank - 1 - x.Rank;
        var c = extra > 0 ? g.ReduceSum(cotangent, false, [.. Enumerable.Range(1, extra).Select(i => (long)i)]) : cotangent;
        shape = c.Shape!;
        var axes = new List<long>();
        for (var i = 0; i < x.Rank; i++)
        {
            var (have, want) = (shape[i + 1], x.Shape![i]);
            if (want.IsOne && !have.IsOne) axes.Add(i + 1);
            else if (want.Size is null && want.Symbol is null) return FitAtRunTime(g, c, seen(x));
        }
        return g.ReduceSum(c, true, [.. axes]);
    }

    // the axes to sum over are not known before the run: those where x has size 1 (summing over an axis of size 1 does no harm)
    private static Value FitAtRunTime(GraphBuilder g, Value c, Value x)
    {
        var ones = g.Emit("NonZero", [g.Equal(g.Shape(x), g.Ints(1))]);
        var axes = g.Add(g.Reshape(ones, -1), g.Ints(1));
        return g.Emit("ReduceSum", [c, axes], ("keepdims", 1L), ("noop_with_empty_axes", 1L));
    }

    /// <summary>Axes of size 1 behind the batch axis, until the tangent has rank <paramref name="rank"/> + 1.</summary>
    public static Value Lift(GraphBuilder g, Value tangent, int rank)
    {
        var missing = rank + 1 - tangent.Rank;
        return missing <= 0 ? tangent : g.Unsqueeze(tangent, [.. Enumerable.Range(1, missing).Select(i => (long)i)]);
    }

    /// <summary>Spreads a tangent [B, …] over the axes that the operator broadcast, to the full shape of <paramref name="z"/>.</summary>
    public static Value SpreadTo(GraphBuilder g, Value tangent, Value z, Func<Value, Value> seen)
    {
        var full = tangent.Shape is { } t && z.Shape is { } s && t.Length == s.Length + 1
            && s.Select((d, i) => (d, t[i + 1])).All(p => !p.Item2.IsOne || p.d.IsOne)
            && t.Skip(1).All(d => d.Size is not null || d.Symbol is not null);
        return full ? tangent : g.Expand(tangent, g.Shape(seen(z)));
    }
}
