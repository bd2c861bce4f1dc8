namespace OnnxAttribution.Onnx;

/// <summary>Writes shapes that exporters compute at run time into the graph, as far as they follow from the inputs' named axes.</summary>
/// <remarks>
/// What reads the length or the batch off another tensor would be wrong where the same operators run on one position,
/// on gathered rows or with another batch, so an axis that a tensor has already is copied from it (0 in a Reshape, 1 in an Expand).
/// </remarks>
internal static class ShapeFolding
{
    // far enough to get over a linear map and an activation between two reshapes
    private const int FarthestAncestor = 16;

    /// <summary>The outputs in place of the operator's own; null where it stays as it is.</summary>
    public static Value[]? Fold(GraphBuilder g, Op op, Value?[] inputs) => op.Type switch
    {
        "Reshape" => Reshape(g, inputs[0]!, inputs[1]!, op.Int("allowzero", 0) != 0) is { } z ? [z] : null,
        "Expand" => Expand(g, inputs[0]!, inputs[1]!) is { } z ? [z] : null,
        "Concat" => WithoutEmpty(g, op, inputs) is { } z ? [z] : null,
        "Slice" when IsWhole(op, inputs) => [inputs[0]!],
        _ => null,
    };

    /// <summary>A constant in place of integers that follow from shapes; the value itself where they do not.</summary>
    public static Value Constant(GraphBuilder g, Value v)
    {
        if (v.IsConstant || v.Type != Proto.TensorProto.Types.DataType.Int64 || v.Shape is not { Length: <= 1 } || v.Content is not { } c
            || c.Any(d => d.Size is null))
        {
            return v;
        }
        return v.Rank == 1 ? g.Ints([.. c.Select(d => d.Size!.Value)]) : g.Int(c[0].Size!.Value);
    }

    private static Value? Reshape(GraphBuilder g, Value x, Value shape, bool zeroIsZero)
    {
        if (x.Shape is not { } from || shape.Content is not { } to || (zeroIsZero && to.Any(d => d.Size == 0))) return null;
        if (Unrolled(g, x, to) is { } product) return product;
        var target = new long[to.Length];
        var open = new List<int>();
        for (var i = 0; i < to.Length; i++)
        {
            if (to[i].Size is { } n and >= 0) target[i] = n;
            else if (to[i].Size is null && i < from.Length && to[i].Equals(from[i])) target[i] = 0;
            else open.Add(i);
        }
        if (open.Count == 1) target[open[0]] = -1;
        return open.Count <= 1 ? g.Reshape(x, target) : FromAncestor(g, x, to);
    }

    // [B, T, k] → [B·T, k] → Gemm → [B, T, n] is one matrix product
    private static Value? Unrolled(GraphBuilder g, Value x, Dim[] to)
    {
        if (x.Producer is not { Type: "Gemm" } gemm || gemm.Int("transA", 0) != 0 || gemm.Int("transB", 0) != 0
            || gemm.Float("alpha", 1) != 1 || gemm.Float("beta", 1) != 1)
        {
            return null;
        }
        if (gemm.In[0]!.Producer is not { Type: "Reshape" } flat || flat.In[0]!.Shape is not { } from
            || gemm.In[1]!.Shape is not [var inner, var outer])
        {
            return null;
        }
        if (from.Length != to.Length || !from[..^1].SequenceEqual(to[..^1]) || !from[^1].Equals(inner)
            || !(to[^1].Equals(outer) || to[^1].Size == -1))
        {
            return null;
        }
        var product = g.MatMul(flat.In[0]!, gemm.In[1]!);
        return gemm.In.Count > 2 && gemm.In[2] is { } bias ? g.Add(product, bias) : product;
    }

    // several named axes made out of their product: they stand in what the product was made of
    private static Value? FromAncestor(GraphBuilder g, Value x, Dim[] to)
    {
        var named = to.TakeWhile(d => d.Symbol is not null).Count();
        if (named == 0 || to.Skip(named).Count(d => d.Size is null or < 0) > 0) return null;
        var v = x;
        for (var i = 0; i < FarthestAncestor && v.Producer is { } op && op.In.Count > 0 && op.In[0] is { } before; i++)
        {
            v = before;
            if (v.Shape is not { } shape || shape.Length < named || !shape[..named].SequenceEqual(to[..named])) continue;
            Value[] rest = named == to.Length ? [] : [g.Ints([.. to.Skip(named).Select(d => d.Size!.Value)])];
            return g.Reshape(x, g.Concat(0, [g.Shape(v, 0, named), .. rest]));
        }
        return null;
    }

    // what has no entries adds none: keys of no earlier tokens before new ones
    private static Value? WithoutEmpty(GraphBuilder g, Op op, Value?[] inputs)
    {
        bool IsEmpty(Value v) => v.Shape is { Length: > 0 } s && s[ShapeInference.Axis(op.Int("axis", 0), s.Length)].Size == 0;
        Value[] rest = [.. inputs.Where(v => !IsEmpty(v!))!];
        return rest.Length == inputs.Length ? null : rest.Length switch
        {
            0 => inputs[0],
            1 => rest[0],
            _ => g.Concat((int)op.Int("axis", 0), rest),
        };
    }

    // x[0:n] along every axis that it names, n being all of it
    private static bool IsWhole(Op op, Value?[] inputs)
    {
        if (inputs[0]!.Shape is not { } x || inputs.Length < 3 || inputs[1]!.Content is not { } starts
            || inputs[2]!.Content is not { } ends)
        {
            return false;
        }
        if (starts.Any(s => s.Size != 0) || (inputs.ElementAtOrDefault(4) is { } steps && steps.Content?.All(s => s.Size == 1) != true))
        {
            return false;
        }
        var axes = inputs.ElementAtOrDefault(3) is { } given
            ? Constants.Integers(given)
            : [.. Enumerable.Range(0, ends.Length).Select(i => (long)i)];
        return axes?.Select((a, i) => (Axis: x[ShapeInference.Axis(a, x.Length)], End: ends[i]))
            .All(p => p.End.Equals(p.Axis) || p.End.Size >= int.MaxValue || (p.Axis.Size is { } n && p.End.Size >= n)) == true;
    }

    private static Value? Expand(GraphBuilder g, Value x, Value shape)
    {
        if (x.Shape is not { } from || shape.Content is not { } to || from.Length > to.Length) return null;
        var target = new long[to.Length];
        for (var i = 0; i < to.Length; i++)
        {
            var at = i - to.Length + from.Length;
            if (at >= 0 && (to[i].Equals(from[at]) || to[i].Size == 1)) target[i] = 1;
            else if (to[i].Size is { } n and >= 0) target[i] = n;
            else return null;
        }
        return target.All(n => n == 1) && from.Length == to.Length ? x : g.Expand(x, g.Ints(target));
    }
}
