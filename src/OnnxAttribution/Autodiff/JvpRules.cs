using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Pushes tangents of an operator's inputs forward to its outputs.</summary>
/// <param name="xDots">One per input, null where it has none; each has one axis more than its primal, in front: the batch of tangents.
/// Ranks are already those that the operator broadcasts to.</param>
internal delegate Value[] JvpRule(GraphBuilder g, OpView op, Value?[] xDots);

/// <summary>Forward-mode rules: the same operators as <see cref="VjpRules"/>. A linear operator's is the operator itself.</summary>
internal static class JvpRules
{
    private static readonly Dictionary<string, JvpRule> s_arithmetic = new()
    {
        ["Identity"] = (g, op, d) => [d[0]!],
        ["Dropout"] = (g, op, d) => [d[0]!],
        ["Cast"] = (g, op, d) => [op.Op.In[0]!.Type == op.Op.Out[0]!.Type ? d[0]! : g.Cast(d[0]!, op.Op.Out[0]!.Type)],
        ["Add"] = (g, op, d) => [Sum(g, d[0], d[1])],                                                                     // ż = ẋ + ẏ
        ["Sub"] = (g, op, d) => [Sum(g, d[0], d[1] is null ? null : g.Neg(d[1]!))],                                       // ż = ẋ − ẏ
        // ż = ẋ y + x ẏ
        ["Mul"] = (g, op, d) => [Sum(g, Times(g, d[0], () => op.In(1)), Times(g, d[1], () => op.In(0)))],
        ["Div"] = (g, op, d) =>
            [g.Div(Sum(g, d[0], d[1] is null ? null : g.Neg(g.Mul(d[1]!, op.Out()))), op.In(1))],     // ż = (ẋ − z ẏ) / y
        ["Neg"] = (g, op, d) => [g.Neg(d[0]!)],
        ["Pow"] = (g, op, d) =>
            [Sum(g, Times(g, d[0], () => VjpRules.PowByBase(g, op)),
                Times(g, d[1], () => VjpRules.PowByExponent(g, op)))],   // ż = ∂z/∂x ẋ + ∂z/∂y ẏ
        ["MatMul"] = MatMul,
        ["Gemm"] = Gemm,
        ["Softmax"] = (g, op, d) =>
            [g.Mul(op.Out(), g.Sub(d[0]!, g.ReduceSum(g.Mul(d[0]!, op.Out()), true, Axis(op))))], // ż = z ∘ (ẋ − Σ ẋ ∘ z)
        // ż = ẋ − Σ ẋ ∘ eᶻ
        ["LogSoftmax"] = (g, op, d) => [g.Sub(d[0]!, g.ReduceSum(g.Mul(d[0]!, g.Exp(op.Out())), true, Axis(op)))],
        ["LayerNormalization"] = Normalization,
        ["RMSNormalization"] = Normalization,
        ["ReduceSum"] = Reduce,
        ["ReduceMean"] = Reduce,
        ["Where"] = (g, op, d) => [g.Where(op.In(0), d[1] ?? g.Scalar(0), d[2] ?? g.Scalar(0))],
    };

    private static readonly Dictionary<string, JvpRule> s_layout = new()
    {
        ["Transpose"] = Transpose,
        ["Reshape"] = LikeOutput,
        ["Squeeze"] = LikeOutput,
        ["Unsqueeze"] = LikeOutput,
        ["Flatten"] = LikeOutput,
        ["Expand"] = (g, op, d) => [g.Expand(d[0]!, op.In(1))],
        ["Concat"] = Concat,
        ["Split"] = Split,
        ["Slice"] = Slice,
        ["Gather"] = Gather,
    };

    /// <summary>By operator.</summary>
    public static FrozenDictionary<string, JvpRule> Table { get; } = Rules().ToFrozenDictionary();

    private static Dictionary<string, JvpRule> Rules()
    {
        var table = new Dictionary<string, JvpRule>(s_arithmetic.Concat(s_layout));
        foreach (var (type, derivative) in UnaryDerivatives.Table) table[type] = EntryByEntry(derivative);
        return table;
    }

    // z = f(x)      ż = ẋ ∘ f'(x)
    internal static JvpRule EntryByEntry(Func<GraphBuilder, OpView, Value> derivative) => (g, op, d) => [g.Mul(d[0]!, derivative(g, op))];

    internal static Value Sum(GraphBuilder g, Value? x, Value? y) => x is null ? y! : y is null ? x : g.Add(x, y);

    private static Value? Times(GraphBuilder g, Value? xDot, Func<Value> y) => xDot is null ? null : g.Mul(xDot, y());

    private static long Axis(OpView op) => op.FromEnd(op.Op.Int("axis", -1), op.Rank());

    // z = x y      ż = ẋ y + x ẏ
    private static Value[] MatMul(GraphBuilder g, OpView op, Value?[] d)
    {
        if (op.Rank(0) == 1 || op.Rank(1) == 1) throw new GraphException($"{op.Op} multiplies a vector; its tangent rule takes matrices");
        return [Sum(g, d[0] is null ? null : g.MatMul(d[0]!, op.In(1)), d[1] is null ? null : g.MatMul(op.In(0), d[1]!))];
    }

    private static Value[] Gemm(GraphBuilder g, OpView op, Value?[] d)
    {
        bool ta = op.Op.Int("transA", 0) != 0, tb = op.Op.Int("transB", 0) != 0;
        Value TransposedIf(Value v, bool turn) => turn ? VjpRules.Flip(g, v) : v;
        Value? product = null;
        if (d[0] is not null)
        {
            product = tb && op.Op.In[1]!.IsFixed
                ? g.MatMulTransposed(TransposedIf(d[0]!, ta), op.In(1))
                : g.MatMul(TransposedIf(d[0]!, ta), TransposedIf(op.In(1), tb));
        }
        if (d[1] is not null) product = Sum(g, product, g.MatMul(TransposedIf(op.In(0), ta), TransposedIf(d[1]!, tb)));
        if (product is not null && op.Op.Float("alpha", 1) is var alpha and not 1f) product = g.Mul(product, g.Scalar(alpha));
        var bias = d.Length > 2 ? d[2] : null;
        if (bias is not null && op.Op.Float("beta", 1) is var beta and not 1f) bias = g.Mul(bias, g.Scalar(beta));
        return [Sum(g, product, bias)];
    }

    // n = (x − mean x)/σ      ṅ = (ẋ − mean ẋ − n mean(ẋ ∘ n)) / σ      ż = ṅ ∘ s + n ∘ ṡ + ḃ
    // RMSNormalization takes no mean out: n = x/σ      ṅ = (ẋ − n mean(ẋ ∘ n)) / σ
    private static Value[] Normalization(GraphBuilder g, OpView op, Value?[] d)
    {
        var (n, inverse, axes) = VjpRules.Normalized(g, op);
        Value? z = null;
        if (d[0] is { } x)
        {
            var moved = g.Mul(g.Sub(VjpRules.Centred(g, op, x, axes), g.Mul(n, g.ReduceMean(g.Mul(x, n), true, axes))), inverse);
            z = g.Mul(moved, op.In(1));
        }
        if (d[1] is not null) z = Sum(g, z, g.Mul(d[1]!, n));
        return [Sum(g, z, d.Length > 2 ? d[2] : null)];
    }

    private static Value[] Reduce(GraphBuilder g, OpView op, Value?[] d)
    {
        var keep = op.Op.Int("keepdims", 1) != 0;
        var axes = VjpRules.ReducedAxes(op);
        return [op.Op.Type == "ReduceSum" ? g.ReduceSum(d[0]!, keep, axes) : g.ReduceMean(d[0]!, keep, axes)];
    }

    private static Value[] Transpose(GraphBuilder g, OpView op, Value?[] d)
    {
        var perm = op.Op.Ints("perm") ?? [.. Enumerable.Range(0, op.Rank()).Select(i => (long)(op.Rank() - 1 - i))];
        return [g.Transpose(d[0]!, [0, .. perm.Select(p => (int)p + 1)])];
    }

    private static Value[] LikeOutput(GraphBuilder g, OpView op, Value?[] d) =>
        op.Op.Out[0]!.Shape is { } shape && VjpRules.Target(shape, op.Op.In[0]!.Shape) is { } target
            ? [g.Reshape(d[0]!, target)]
            : [g.Reshape(d[0]!, g.Concat(0, g.Shape(d[0]!, 0, 1), g.Shape(op.Out())))];

    private static Value[] Concat(GraphBuilder g, OpView op, Value?[] d)
    {
        var batch = d.First(x => x is not null)!;
        return [g.Concat((int)op.FromEnd(op.Op.Int("axis", 0), op.Rank()),
            [.. d.Select((x, i) => x ?? g.Expand(g.Scalar(0), g.Concat(0, g.Shape(batch, 0, 1), g.Shape(op.In(i)))))])];
    }

    private static Value[] Split(GraphBuilder g, OpView op, Value?[] d)
    {
        var axis = op.FromEnd(op.Op.Int("axis", 0), op.Rank());
        var even = !op.Op.Has("split", 1) && op.Op.Out.Any(v => v?.Shape?[^(int)-axis].Size is null);
        if (even) return g.Emit("Split", [d[0]], op.Op.Out.Count, ("axis", axis), ("num_outputs", op.Op.Out.Count));
        var sizes = op.Op.IntsOf("split", 1) is { } given ? g.Ints(given)
            : op.Op.Out.All(v => v?.Shape?[^(int)-axis].Size is not null)
                ? g.Ints([.. op.Op.Out.Select(v => v!.Shape![^(int)-axis].Size!.Value)]) : op.In(1);
        return g.Emit("Split", [d[0], sizes], op.Op.Out.Count, ("axis", axis));
    }

    private static Value[] Slice(GraphBuilder g, OpView op, Value?[] d)
    {
        var rank = op.Rank();
        var axes = VjpRules.SlicedAxes(op.Op, rank);
        Value Entry(string attribute, int input) => op.Op.Ints(attribute) is { } a ? g.Ints(a) : op.In(input);
        return [g.Slice(d[0]!, Entry("starts", 1), Entry("ends", 2), g.Ints([.. axes.Select(a => op.FromEnd(a, rank))]),
            op.Op.Has("steps", 4) ? Entry("steps", 4) : null)];
    }

    private static Value[] Gather(GraphBuilder g, OpView op, Value?[] d) =>
        [g.Gather(d[0]!, op.In(1), ShapeInference.Axis(op.Op.Int("axis", 0), op.Rank()) + 1)];
}
