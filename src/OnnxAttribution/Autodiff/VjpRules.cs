using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Pulls the cotangents of an operator's outputs back to its inputs: one per input, null where none flows.</summary>
/// <param name="zBars">One per output, null where none arrived.
/// A cotangent has one axis more than its primal, in front: the batch of cotangents.</param>
/// <remarks>A rule returns cotangents of the output's shape where the operator broadcasts;
/// the walk sums them over the broadcast axes.</remarks>
internal delegate Value?[] VjpRule(GraphBuilder g, OpView op, Value?[] zBars);

/// <summary>Reverse-mode rules, one per ONNX operator: true derivatives.
/// Another estimator is another table (<see cref="GradientRules"/>).</summary>
internal static partial class VjpRules
{
    /// <summary>Operators that are piecewise constant, or of integers: nothing flows, neither back nor forward.</summary>
    public static FrozenSet<string> NothingFlows { get; } =
        FrozenSet.Create("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And", "Or", "Shape", "Size",
            "Range", "ConstantOfShape", "ArgMax", "Sign", "Floor", "Ceil", "OneHot", "IsNaN", "IsInf", "NonZero");

    private static readonly Dictionary<string, VjpRule> s_arithmetic = new()
    {
        ["Identity"] = One((g, op, zBar) => [zBar]),
        ["Dropout"] = One((g, op, zBar) => [zBar]),                                                        // inference: z = x
        ["Cast"] = One((g, op, zBar) =>
            [op.Op.In[0]!.IsFloat && op.Op.Out[0]!.IsFloat
                ? op.Op.In[0]!.Type == op.Op.Out[0]!.Type ? zBar : g.Cast(zBar, op.Op.In[0]!.Type)
                : null]),
        // z = x + y    x̄ = z̄        ȳ = z̄
        ["Add"] = One((g, op, zBar) => [zBar, zBar]),
        // z = x − y    x̄ = z̄        ȳ = −z̄
        ["Sub"] = One((g, op, zBar) => [zBar, op.Wants(1) ? g.Neg(zBar) : null]),
        // z = x ∘ y    x̄ = z̄ ∘ y    ȳ = z̄ ∘ x
        ["Mul"] = One((g, op, zBar) => [op.Wants(0) ? g.Mul(zBar, op.In(1)) : null,
                                        op.Wants(1) ? g.Mul(zBar, op.In(0)) : null]),
        // z = x / y    x̄ = z̄ / y    ȳ = −z̄ z / y
        ["Div"] = One((g, op, zBar) => [op.Wants(0) ? g.Div(zBar, op.In(1)) : null,
                                        op.Wants(1) ? g.Neg(g.Div(g.Mul(zBar, op.Out()), op.In(1))) : null]),
        ["Neg"] = One((g, op, zBar) => [g.Neg(zBar)]),
        ["Pow"] = One(Pow),
        ["MatMul"] = One(MatMul),
        ["Gemm"] = One(Gemm),
        ["Softmax"] = One(Softmax),
        ["LogSoftmax"] = One(LogSoftmax),
        ["LayerNormalization"] = One(Normalization),
        ["RMSNormalization"] = One(Normalization),
        // z = Σ x      x̄ = z̄, spread
        ["ReduceSum"] = One((g, op, zBar) => [Spread(g, op, zBar)]),
        // z = mean x   x̄ = z̄ / n, spread
        ["ReduceMean"] = One((g, op, zBar) => [g.Div(Spread(g, op, zBar), Count(g, op))]),
        ["ReduceMax"] = One(ReduceMax),
        ["Max"] = One((g, op, zBar) => Extreme(g, op, zBar, "GreaterOrEqual")),
        ["Min"] = One((g, op, zBar) => Extreme(g, op, zBar, "LessOrEqual")),
        ["Where"] = One((g, op, zBar) => [null, op.Wants(1) ? g.Where(op.In(0), zBar, g.Scalar(0)) : null, // z = c ? x : y
                                          op.Wants(2) ? g.Where(op.In(0), g.Scalar(0), zBar) : null]),
    };

    private static readonly Dictionary<string, VjpRule> s_layout = new()
    {
        ["Transpose"] = One(Transpose),
        ["Reshape"] = One((g, op, zBar) => [LikeInput(g, op, zBar)]),
        ["Squeeze"] = One((g, op, zBar) => [LikeInput(g, op, zBar)]),
        ["Unsqueeze"] = One((g, op, zBar) => [LikeInput(g, op, zBar)]),
        ["Flatten"] = One((g, op, zBar) => [LikeInput(g, op, zBar)]),
        // the walk sums over what was spread
        ["Expand"] = One((g, op, zBar) => [zBar, null]),
        ["Concat"] = One(Concat),
        ["Split"] = Split,
        ["Slice"] = One(Slice),
        ["Gather"] = One(Gather),
    };

    /// <summary>By operator.</summary>
    public static FrozenDictionary<string, VjpRule> Table { get; } = Rules().ToFrozenDictionary();

    private static Dictionary<string, VjpRule> Rules()
    {
        var table = new Dictionary<string, VjpRule>(s_arithmetic.Concat(s_layout));
        foreach (var (type, derivative) in UnaryDerivatives.Table) table[type] = EntryByEntry(derivative);
        foreach (var type in NothingFlows) table[type] = Nothing;
        return table;
    }

    // z = f(x)      x̄ = z̄ ∘ f'(x)
    internal static VjpRule EntryByEntry(Func<GraphBuilder, OpView, Value> derivative) =>
        One((g, op, zBar) => [g.Mul(zBar, derivative(g, op))]);

    /// <summary>The rule of an operator through which nothing flows.</summary>
    internal static Value?[] Nothing(GraphBuilder g, OpView op, Value?[] zBars) => new Value?[op.Op.In.Count];

    /// <summary>A rule of an operator of which only the first output carries a gradient.</summary>
    internal static VjpRule One(Func<GraphBuilder, OpView, Value, Value?[]> rule) => (g, op, zBars) =>
        zBars.Skip(1).Any(z => z is not null)
            ? throw new GraphException($"a gradient reaches the second output of {op.Op}, for which {op.Op.Type} has no rule")
            : rule(g, op, zBars[0]!);

    // z = xʸ      x̄ = z̄ ∂z/∂x      ȳ = z̄ ∂z/∂y
    private static Value?[] Pow(GraphBuilder g, OpView op, Value zBar) =>
        [op.Wants(0) ? g.Mul(zBar, PowByBase(g, op)) : null, op.Wants(1) ? g.Mul(zBar, PowByExponent(g, op)) : null];

    // ∂xʸ/∂x = y x^(y−1); the exponent may be of another type than the base
    internal static Value PowByBase(GraphBuilder g, OpView op)
    {
        var (x, y) = (op.In(0), op.In(1));
        if (Constants.Scalar(op.Op.In[1]!) is { } p)
        {
            return p == 2 ? g.Add(x, x) : g.Mul(g.Scalar((float)p), g.Pow(x, g.Scalar((float)(p - 1))));
        }
        if (y.Type != x.Type) y = g.Cast(y, x.Type);
        return g.Mul(y, g.Pow(x, g.Sub(y, g.Scalar(1))));
    }

    // ∂xʸ/∂y = z ln x  (0 where x ≤ 0)
    internal static Value PowByExponent(GraphBuilder g, OpView op)
    {
        var positive = g.Greater(op.In(0), g.Scalar(0));
        return g.Where(positive, g.Mul(op.Out(), g.Log(g.Where(positive, op.In(0), g.Scalar(1)))), g.Scalar(0));
    }

    // z = softmax(x) over one axis      x̄ = z ∘ (z̄ − Σ z̄ ∘ z)
    private static Value?[] Softmax(GraphBuilder g, OpView op, Value zBar)
    {
        var z = op.Out();
        return [g.Mul(z, g.Sub(zBar, g.ReduceSum(g.Mul(zBar, z), true, Axis(op))))];
    }

    // z = x − ln Σ eˣ over one axis      x̄ = z̄ − eᶻ Σ z̄
    private static Value?[] LogSoftmax(GraphBuilder g, OpView op, Value zBar) =>
        [g.Sub(zBar, g.Mul(g.Exp(op.Out()), g.ReduceSum(zBar, true, Axis(op))))];

    private static long Axis(OpView op) => op.FromEnd(op.Op.Int("axis", -1), op.Rank());

    // z = n ∘ s + b,  n = (x − mean x) / σ,  σ = √(var x + ε)
    // x̄ = (c − mean c − n mean(c ∘ n)) / σ  with c = z̄ ∘ s      s̄ = z̄ ∘ n      b̄ = z̄
    // RMSNormalization has no b and takes no mean out: n = x / σ,  σ = √(mean x² + ε),  x̄ = (c − n mean(c ∘ n)) / σ
    private static Value?[] Normalization(GraphBuilder g, OpView op, Value zBar)
    {
        var (n, inverse, axes) = Normalized(g, op);
        Value? xBar = null;
        if (op.Wants(0))
        {
            var c = g.Mul(zBar, op.In(1));
            xBar = g.Mul(g.Sub(Centred(g, op, c, axes), g.Mul(n, g.ReduceMean(g.Mul(c, n), true, axes))), inverse);
        }
        return [xBar, op.Wants(1) ? g.Mul(zBar, n) : null, .. Bias(op, zBar)];
    }

    /// <summary>n and 1/σ of a LayerNormalization or RMSNormalization, from its input, with the axes that it normalises over.</summary>
    internal static (Value N, Value Inverse, long[] Axes) Normalized(GraphBuilder g, OpView op)
    {
        var axis = op.FromEnd(op.Op.Int("axis", -1), op.Rank());
        long[] axes = [.. Enumerable.Range(0, (int)-axis).Select(i => axis + i)];
        var centred = Centred(g, op, op.In(0), axes);
        var variance = g.ReduceMean(g.Mul(centred, centred), true, axes);
        var inverse = g.Reciprocal(g.Sqrt(g.Add(variance, g.Scalar(op.Op.Float("epsilon", 1e-5f)))));
        return (g.Mul(centred, inverse), inverse, axes);
    }

    /// <summary>The cotangent of the bias, where the operator has one.</summary>
    internal static Value?[] Bias(OpView op, Value zBar) => op.Has(2) ? [zBar] : [];

    /// <summary>Minus its mean, where the operator takes the mean out.</summary>
    internal static Value Centred(GraphBuilder g, OpView op, Value v, long[] axes) =>
        op.Op.Type == "RMSNormalization" ? v : g.Sub(v, g.ReduceMean(v, true, axes));

    // z = max x: the cotangent goes where x equals z, in equal parts where several do
    private static Value?[] ReduceMax(GraphBuilder g, OpView op, Value zBar)
    {
        var z = Kept(g, op, op.Out(), 0);
        var hit = g.Where(g.Equal(op.In(0), z), g.Scalar(1), g.Scalar(0));
        var axes = ReducedAxes(op);
        return [g.Mul(Kept(g, op, zBar, 1), g.Div(hit, g.ReduceSum(hit, true, axes)))];
    }

    private static Value?[] Extreme(GraphBuilder g, OpView op, Value zBar, string comparison)
    {
        if (op.Op.In.Count != 2) throw new GraphException($"{op.Op} has {op.Op.In.Count} inputs; its rule takes 2");
        var first = g.Emit(comparison, [op.In(0), op.In(1)]);
        return [g.Where(first, zBar, g.Scalar(0)), g.Where(first, g.Scalar(0), zBar)];
    }
}
