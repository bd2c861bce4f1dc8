using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Whether an operator keeps token positions apart, read off the operator and its shapes and never off a name.</summary>
/// <remarks>
/// An operator is position-wise in an input, for position axis a of its output, if output slice t along a reads that input only at slice t
/// along one of its own axes. A chain of such operators can be differentiated at chosen positions only: N rows instead of N × T.
/// </remarks>
internal static class PositionFlow
{
    /// <summary>The input has no position axis: every slice of the output reads all of it (a weight, a broadcast).</summary>
    public const int None = -1;

    /// <summary>The output at one position reads the input at several.</summary>
    public const int Mixes = -2;

    /// <summary>The axis of input <paramref name="input"/> that the output's axis <paramref name="axis"/> runs along,
    /// <see cref="None"/> or <see cref="Mixes"/>.</summary>
    public static int InputAxis(Op op, int input, int axis)
    {
        if (op.In[input] is not { } v) return None;
        if (v.Shape is null || op.Out[0]?.Shape is not { } z) return Mixes;
        switch (op.Type)
        {
            case "Identity" or "Cast" or "Dropout" or "Neg" or "Sqrt" or "Reciprocal" or "Exp" or "Log" or "Erf" or "Tanh" or "Sigmoid"
                or "Relu" or "Gelu" or "Abs"
                or "Sin" or "Cos" or "Sign":
                return axis;
            case "Add" or "Sub" or "Mul" or "Div" or "Pow" or "Where" or "Max" or "Min" or "Greater" or "GreaterOrEqual" or "Less"
                or "LessOrEqual" or "Equal":
                return Aligned(v.Shape, z.Length, axis);
            case "Expand":
                return input == 0 ? Aligned(v.Shape, z.Length, axis) : Mixes;
            case "MatMul":
                if (op.In.Any(x => x!.Rank < 2)) return Mixes;
                if (axis == z.Length - 2) return input == 0 ? v.Rank - 2 : None;
                if (axis == z.Length - 1) return input == 1 ? v.Rank - 1 : None;
                return Aligned(v.Shape, z.Length, axis);
            case "Gemm":
                if (input == 2) return Aligned(v.Shape, 2, axis);
                return axis == input ? (op.Int(input == 0 ? "transA" : "transB", 0) != 0 ? 1 - axis : axis) : None;
            case "Softmax" or "LogSoftmax":
                return axis == ShapeInference.Axis(op.Int("axis", -1), z.Length) ? Mixes : axis;
            case "LayerNormalization" or "RMSNormalization":
                if (axis >= ShapeInference.Axis(op.Int("axis", -1), z.Length)) return Mixes;
                return input == 0 ? axis : None;
            case "ReduceMean" or "ReduceSum" or "ReduceMax":
                return input == 0 ? Reduced(op, v.Rank, axis) : None;
            case "Transpose":
                return (int)(op.Ints("perm")?[axis] ?? v.Rank - 1 - axis);
            case "Reshape" or "Flatten":
                return input == 0 ? Reshaped(v.Shape, z, axis) : None;
            case "Unsqueeze":
                return input == 0 ? Unsqueezed(op, z.Length, axis) : None;
            case "Squeeze":
                return input == 0 ? Squeezed(op, v.Shape, axis) : None;
            case "Split" or "Concat":
                if (input > 0 && op.Type == "Split") return None;
                return axis == ShapeInference.Axis(op.Int("axis", 0), z.Length) ? Mixes : axis;
            case "Slice":
                return input > 0 ? None : op.IntsOf("axes", 3)?.Any(a => ShapeInference.Axis(a, v.Rank) == axis) != false ? Mixes : axis;
            case "Gather":
                return Gathered(op, input, axis);
            default:
                return Mixes;
        }
    }

    /// <summary>The output's position axis, if the operator is position-wise for all inputs that
    /// <paramref name="moves"/> lists; else <see cref="Mixes"/>.</summary>
    /// <param name="moves">Position axis per input that carries positions; inputs that are missing carry none.</param>
    public static int OutputAxis(Op op, IReadOnlyDictionary<int, int> moves)
    {
        if (op.Out[0]?.Shape is not { } z) return Mixes;
        for (var axis = 0; axis < z.Length; axis++)
        {
            if (moves.All(m => InputAxis(op, m.Key, axis) == m.Value)) return axis;
        }
        return Mixes;
    }

    private static int Aligned(Dim[] shape, int rank, int axis)
    {
        var at = axis - rank + shape.Length;
        return at < 0 || shape[at].IsOne ? None : at;
    }

    private static int Reduced(Op op, int rank, int axis)
    {
        var axes = op.IntsOf("axes", 1)?.Select(a => ShapeInference.Axis(a, rank)).ToHashSet();
        if (axes is null) return Mixes;
        if (op.Int("keepdims", 1) != 0) return axes.Contains(axis) ? Mixes : axis;
        return Enumerable.Range(0, rank).Where(i => !axes.Contains(i)).ElementAt(axis);
    }

    // the same axis of both shapes when what stands before it multiplies to the same
    private static int Reshaped(Dim[] x, Dim[] z, int axis)
    {
        for (var i = 0; i < x.Length; i++)
        {
            if (x[i].Equals(z[axis]) && !x[i].IsOne && SameProduct(x[..i], z[..axis])) return i;
        }
        return Mixes;
    }

    private static bool SameProduct(Dim[] a, Dim[] b)
    {
        static long Sizes(Dim[] d) => d.Aggregate(1L, (p, x) => p * (x.Size ?? 1));
        static IEnumerable<string?> Symbols(Dim[] d) => d.Where(x => x.Size is null).Select(x => x.Symbol).Order();
        return Sizes(a) == Sizes(b) && a.Concat(b).All(d => d.Size is not null || d.Symbol is not null)
            && Symbols(a).SequenceEqual(Symbols(b));
    }

    private static int Unsqueezed(Op op, int rank, int axis)
    {
        if (op.IntsOf("axes", 1) is not { } axes) return Mixes;
        var added = axes.Select(a => ShapeInference.Axis(a, rank)).ToHashSet();
        return added.Contains(axis) ? Mixes : axis - added.Count(a => a < axis);
    }

    private static int Squeezed(Op op, Dim[] x, int axis)
    {
        if (op.IntsOf("axes", 1) is not { } axes) return Mixes;
        var gone = axes.Select(a => ShapeInference.Axis(a, x.Length)).ToHashSet();
        return Enumerable.Range(0, x.Length).Where(i => !gone.Contains(i)).ElementAt(axis);
    }

    private static int Gathered(Op op, int input, int axis)
    {
        if (input == 1) return None;
        var at = ShapeInference.Axis(op.Int("axis", 0), op.In[0]!.Rank);
        var indexRank = op.In[1]!.Rank;
        return axis < at ? axis : axis < at + indexRank ? Mixes : axis - indexRank + 1;
    }
}
