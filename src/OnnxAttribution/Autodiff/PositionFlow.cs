using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Whether an operator keeps token positions apart, read off the operator and its shapes and never off a name.</summary>
/// <remarks>
/// An operator is position-wise in an input, for position axis a of its output, if output slice t along a reads that input only at slice t
/// along one of its own axes. A chain of such operators can be differentiated at chosen positions only: N rows instead of N × T.
/// </remarks>
internal static class PositionFlow
{
    private static readonly FrozenSet<string> s_entryByEntry = FrozenSet.Create("Identity", "Cast", "Dropout", "Neg", "Sqrt", "Reciprocal",
        "Exp", "Log", "Erf", "Tanh", "Sigmoid", "Relu", "Gelu", "Abs", "Sin", "Cos", "Sign");

    private static readonly FrozenSet<string> s_broadcasting = FrozenSet.Create("Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min",
        "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal");

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
        var last = z.Length - 1;
        return op.Type switch
        {
            _ when s_entryByEntry.Contains(op.Type) => axis,
            _ when s_broadcasting.Contains(op.Type) => Aligned(v.Shape, z.Length, axis),
            "Expand" => input == 0 ? Aligned(v.Shape, z.Length, axis) : Mixes,
            "MatMul" when op.In.Any(x => x!.Rank < 2) => Mixes,
            "MatMul" when axis == last - 1 => input == 0 ? v.Rank - 2 : None,
            "MatMul" when axis == last => input == 1 ? v.Rank - 1 : None,
            "MatMul" => Aligned(v.Shape, z.Length, axis),
            "Gemm" when input == 2 => Aligned(v.Shape, 2, axis),
            "Gemm" when axis != input => None,
            "Gemm" => op.Int(input == 0 ? "transA" : "transB", 0) != 0 ? 1 - axis : axis,
            "Softmax" or "LogSoftmax" => axis == ShapeInference.Axis(op.Int("axis", -1), z.Length) ? Mixes : axis,
            "LayerNormalization" or "RMSNormalization" when axis >= ShapeInference.Axis(op.Int("axis", -1), z.Length) => Mixes,
            "LayerNormalization" or "RMSNormalization" => input == 0 ? axis : None,
            "ReduceMean" or "ReduceSum" or "ReduceMax" => input == 0 ? Reduced(op, v.Rank, axis) : None,
            "Transpose" => (int)(op.Ints("perm")?[axis] ?? v.Rank - 1 - axis),
            "Reshape" or "Flatten" => input == 0 ? Reshaped(v.Shape, z, axis) : None,
            "Unsqueeze" => input == 0 ? Unsqueezed(op, z.Length, axis) : None,
            "Squeeze" => input == 0 ? Squeezed(op, v.Shape, axis) : None,
            "Split" when input > 0 => None,
            "Split" or "Concat" => axis == ShapeInference.Axis(op.Int("axis", 0), z.Length) ? Mixes : axis,
            "Slice" when input > 0 => None,
            "Slice" => op.IntsOf("axes", 3)?.Any(a => ShapeInference.Axis(a, v.Rank) == axis) != false ? Mixes : axis,
            "Gather" => Gathered(op, input, axis),
            _ => Mixes,
        };
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
