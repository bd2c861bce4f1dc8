using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

internal static partial class VjpRules
{
    private static Value?[] Transpose(GraphBuilder g, OpView op, Value zBar)
    {
        var perm = op.Op.Ints("perm") ?? [.. Enumerable.Range(0, op.Rank()).Select(i => (long)(op.Rank() - 1 - i))];
        var back = new int[perm.Length + 1];
        for (var i = 0; i < perm.Length; i++) back[perm[i] + 1] = i + 1;
        return [g.Transpose(zBar, back)];
    }

    // z = x in another shape: x̄ = z̄ in the shape of x, with the axis of cotangents in front
    private static Value LikeInput(GraphBuilder g, OpView op, Value zBar)
    {
        // as seen: in rows, two axes of T may be one of N and one of T
        if (op.In(0).Shape is { } shape && Target(shape, zBar.Shape?[1..]) is { } target) return g.Reshape(zBar, target);
        return g.Reshape(zBar, g.Concat(0, g.Shape(zBar, 0, 1), g.Shape(op.In(0))));
    }

    /// <summary>Sizes where they are known, 0 (copied) where the same axis stands at the same place in z,
    /// one −1 at most; null where that does not do.</summary>
    internal static long[]? Target(Dim[] to, Dim[]? from)
    {
        var target = new long[to.Length + 1];
        var open = 0;
        for (var i = 0; i < to.Length; i++)
        {
            if (to[i].Size is { } n)
            {
                target[i + 1] = n;
            }
            else if (from is not null && i < from.Length && from[i].Equals(to[i]))
            {
                target[i + 1] = 0;
            }
            else
            {
                target[i + 1] = -1;
                open++;
            }
        }
        return open <= 1 ? target : null;
    }

    private static Value?[] Concat(GraphBuilder g, OpView op, Value zBar)
    {
        var inputs = op.Op.In;
        var axis = op.FromEnd(op.Op.Int("axis", 0), op.Rank());
        var sizes = inputs.All(v => v!.Shape?[^(int)-axis].Size is not null)
            ? g.Ints([.. inputs.Select(v => v!.Shape![^(int)-axis].Size!.Value)])
            : g.Concat(0, [.. inputs.Select((v, i) => g.Shape(op.In(i), (int)axis + v!.Rank, (int)axis + v.Rank + 1))]);
        return inputs.Count == 1 ? [zBar] : g.Emit("Split", [zBar, sizes], inputs.Count, ("axis", axis));
    }

    private static Value?[] Split(GraphBuilder g, OpView op, Value?[] zBars)
    {
        var axis = op.FromEnd(op.Op.Int("axis", 0), op.Rank());
        var batch = zBars.First(z => z is not null)!;
        return [g.Concat((int)axis,
            [.. zBars.Select((z, i) => z ?? g.Expand(g.Scalar(0), g.Concat(0, g.Shape(batch, 0, 1), g.Shape(op.Out(i)))))])];
    }

    // z = x[a : b] along some axes: x̄ is z̄ with zeros around it; with other steps, z̄ times the 0-1 matrix of the places taken
    private static Value?[] Slice(GraphBuilder g, OpView op, Value zBar)
    {
        var node = op.Op;
        var rank = op.Rank();
        var axes = SlicedAxes(node, rank);
        if (node.IntsOf("starts", 1) is { } starts && node.IntsOf("ends", 2) is { } ends
            && (!node.Has("steps", 4) || node.IntsOf("steps", 4)?.All(s => s == 1) == true)
            && axes.All(a => node.In[0]!.Shape?[ShapeInference.Axis(a, rank)].Size is not null))
        {
            var pads = new long[2 * (rank + 1)];
            for (var i = 0; i < axes.Length; i++)
            {
                var axis = ShapeInference.Axis(axes[i], rank);
                var n = node.In[0]!.Shape![axis].Size!.Value;
                var from = Math.Clamp(starts[i] < 0 ? starts[i] + n : starts[i], 0, n);
                pads[axis + 1] = from;
                pads[rank + 1 + axis + 1] = n - from - ShapeInference.SliceLength(n, starts[i], ends[i], 1);
            }
            return [g.Emit("Pad", [zBar, g.Ints(pads), g.Scalar(0)])];
        }
        var result = zBar;
        for (var i = 0; i < axes.Length; i++)
        {
            var axis = ShapeInference.Axis(axes[i], rank);
            var size = g.Squeeze(g.Shape(op.In(0), axis, axis + 1), 0);
            var places = g.Slice(g.Range(g.Int(0), size, g.Int(1)), Entry(1, "starts"), Entry(2, "ends"), g.Ints(0),
                node.Has("steps", 4) ? Entry(4, "steps") : null);
            result = PutBack(g, result, g.OneHot(places, size), axis + 1 - (rank + 1));

            Value Entry(int input, string attribute) => node.Ints(attribute) is { } a ? g.Ints(a[i]) : g.Gather(op.In(input), g.Ints(i), 0);
        }
        return [result];
    }

    internal static long[] SlicedAxes(Op node, int rank)
    {
        if (node.IntsOf("axes", 3) is { } axes) return axes;
        if (node.Has("axes", 3)) throw new GraphException($"{node} computes its axes at run time; its rule needs them constant");
        return [.. Enumerable.Range(0, rank).Select(i => (long)i)];
    }

    // z = x[…, indices, …]: x̄ = z̄ times the 0-1 matrix [K, n] of the places taken, so that repeated indices add up
    private static Value?[] Gather(GraphBuilder g, OpView op, Value zBar)
    {
        int rank = op.Rank(0), indexRank = op.Rank(1);
        var axis = ShapeInference.Axis(op.Op.Int("axis", 0), rank);
        var size = g.Squeeze(g.Shape(op.In(0), axis, axis + 1), 0);
        var indices = g.Reshape(op.In(1), -1);
        // ONNX Runtime's OneHot takes no int32 with an int64 depth
        if (indices.Type != DataType.Int64) indices = g.Cast(indices, DataType.Int64);
        var z = zBar;
        if (indexRank == 0)
        {
            z = g.Unsqueeze(z, axis + 1);
        }
        else if (indexRank > 1)
        {
            z = g.Reshape(z, g.Concat(0, g.Shape(z, 0, axis + 1), g.Ints(-1), g.Shape(z, axis + 1 + indexRank, rank + indexRank)));
        }
        return [PutBack(g, z, g.OneHot(indices, size), axis - rank), null];
    }

    /// <summary>Replaces the axis of K taken places by one of all n places, with <paramref name="oneHot"/> float32 [K, n].</summary>
    private static Value PutBack(GraphBuilder g, Value z, Value oneHot, int axisFromEnd)
    {
        if (axisFromEnd == -1) return g.MatMul(z, oneHot);
        var perm = Enumerable.Range(0, z.Rank).ToArray();
        var at = z.Rank + axisFromEnd;
        (perm[at], perm[^1]) = (perm[^1], perm[at]);
        return g.Transpose(g.MatMul(g.Transpose(z, perm), oneHot), perm);
    }
}
