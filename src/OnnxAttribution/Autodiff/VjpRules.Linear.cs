using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

internal static partial class VjpRules
{
    // z = x y      x̄ = z̄ yᵀ      ȳ = xᵀ z̄
    private static Value?[] MatMul(GraphBuilder g, OpView op, Value zBar)
    {
        int rx = op.Rank(0), ry = op.Rank(1);
        // a vector is a matrix of one row (left) or one column (right); its cotangent gets that axis for the product and loses it after
        var rows = rx == 1 ? g.Unsqueeze(zBar, -2) : zBar;
        var z = ry == 1 ? g.Unsqueeze(rows, -1) : rows;
        if (rx == 1 && ry == 1) z = g.Unsqueeze(g.Unsqueeze(zBar, -1), -1);
        Value? xBar = null, yBar = null;
        if (op.Wants(0))
        {
            xBar = ry == 1 ? g.Mul(z, op.In(1))
                : ry == 2 && op.Op.In[1]!.IsFixed ? g.MatMulTransposed(z, op.In(1))
                : g.MatMul(z, Flip(g, op.In(1)));
            if (rx == 1) xBar = g.Squeeze(xBar, -2);
        }
        if (op.Wants(1))
        {
            var x = rx == 1 ? g.Unsqueeze(op.In(0), 0) : op.In(0);
            yBar = g.MatMul(Flip(g, x), z);
            if (ry == 1) yBar = g.Squeeze(yBar, -1);
        }
        return [xBar, yBar];
    }

    // z = α op(A) op(B) + β C      Ā = α z̄ op(B)ᵀ, turned as A is      B̄ = α op(A)ᵀ z̄, turned as B is      C̄ = β z̄
    private static Value?[] Gemm(GraphBuilder g, OpView op, Value zBar)
    {
        bool ta = op.Op.Int("transA", 0) != 0, tb = op.Op.Int("transB", 0) != 0;
        var scaled = Scaled(g, zBar, op.Op.Float("alpha", 1));
        Value? a = null, b = null;
        if (op.Wants(0))
        {
            a = tb ? g.MatMul(scaled, op.In(1))
                : op.Op.In[1]!.IsFixed ? g.MatMulTransposed(scaled, op.In(1))
                : g.MatMul(scaled, Flip(g, op.In(1)));
            if (ta) a = Flip(g, a);
        }
        if (op.Wants(1))
        {
            b = g.MatMul(ta ? op.In(0) : Flip(g, op.In(0)), scaled);
            if (tb) b = Flip(g, b);
        }
        return [a, b, op.Wants(2) ? Scaled(g, zBar, op.Op.Float("beta", 1)) : null];
    }

    private static Value Scaled(GraphBuilder g, Value v, float by) => by == 1 ? v : g.Mul(v, g.Scalar(by));

    /// <summary>The last two axes changed about.</summary>
    internal static Value Flip(GraphBuilder g, Value v)
    {
        var perm = Enumerable.Range(0, v.Rank).ToArray();
        (perm[^1], perm[^2]) = (perm[^2], perm[^1]);
        return g.Transpose(v, perm);
    }

    // the cotangent of a sum over axes, put back on these axes with size 1
    private static Value Kept(GraphBuilder g, OpView op, Value v, int shift)
    {
        if (op.Op.Int("keepdims", 1) != 0) return v;
        return g.Unsqueeze(v, [.. ReducedAxes(op).Select(a => a + op.Rank() + shift).Order()]);
    }

    private static Value Spread(GraphBuilder g, OpView op, Value zBar)
    {
        var kept = Kept(g, op, zBar, 1);
        var x = op.Op.In[0]!;
        var axes = ReducedAxes(op);
        if (axes.All(a => x.Shape![(int)a + x.Rank].Size is not null))
        {
            var target = Enumerable.Repeat(1L, x.Rank).ToArray();
            foreach (var a in axes) target[(int)a + x.Rank] = x.Shape![(int)a + x.Rank].Size!.Value;
            return g.Expand(kept, g.Ints(target));
        }
        return g.Expand(kept, g.Shape(op.In(0)));
    }

    private static Value Count(GraphBuilder g, OpView op)
    {
        var x = op.Op.In[0]!;
        var axes = ReducedAxes(op);
        if (axes.All(a => x.Shape![(int)a + x.Rank].Size is not null))
        {
            return g.Scalar(axes.Aggregate(1f, (n, a) => n * x.Shape![(int)a + x.Rank].Size!.Value));
        }
        var shape = g.Shape(op.In(0));
        Value? product = null;
        foreach (var a in axes)
        {
            var n = g.Gather(shape, g.Int(a + x.Rank), 0);
            product = product is null ? n : g.Mul(product, n);
        }
        return g.Cast(product!, x.Type);
    }

    /// <summary>Counted from the end, so that they hold for a cotangent too.</summary>
    internal static long[] ReducedAxes(OpView op)
    {
        var rank = op.Rank();
        if (op.Op.IntsOf("axes", 1) is { } axes) return [.. axes.Select(a => op.FromEnd(a, rank))];
        if (op.Op.Has("axes", 1)) throw new GraphException($"{op.Op} computes its axes at run time; its rule needs them constant");
        return op.Op.Int("noop_with_empty_axes", 0) != 0 ? [] : [.. Enumerable.Range(0, rank).Select(i => (long)i - rank)];
    }
}
