using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>f'(x) of the operators that act on each entry alone; pulling back and pushing forward both multiply by it.</summary>
internal static class UnaryDerivatives
{
    public static FrozenDictionary<string, Func<GraphBuilder, OpView, Value>> Table { get; } =
        new Dictionary<string, Func<GraphBuilder, OpView, Value>>
        {
            ["Sqrt"] = (g, op) => g.Div(g.Scalar(0.5f), op.Out()),                                              // z = √x        1 / 2z
            ["Reciprocal"] = (g, op) => g.Neg(g.Mul(op.Out(), op.Out())),                                       // z = 1/x       −z²
            ["Exp"] = (g, op) => op.Out(),                                                                      // z = eˣ        z
            ["Log"] = (g, op) => g.Reciprocal(op.In(0)),                                                        // z = ln x      1/x
            // z = erf x     2/√π e^(−x²)
            ["Erf"] = (g, op) => g.Mul(g.Scalar(1.1283791670955126f), g.Exp(g.Neg(g.Mul(op.In(0), op.In(0))))),
            ["Tanh"] = (g, op) => g.Sub(g.Scalar(1), g.Mul(op.Out(), op.Out())),                                // z = tanh x    1 − z²
            ["Sigmoid"] = (g, op) => g.Mul(op.Out(), g.Sub(g.Scalar(1), op.Out())),                             // z = σ(x)      z (1 − z)
            ["Relu"] = (g, op) => g.Where(g.Greater(op.In(0), g.Scalar(0)), g.Scalar(1), g.Scalar(0)),          // z = max(x,0)  [x > 0]
            ["Abs"] = (g, op) => g.Sign(op.In(0)),                                                              // z = |x|       sign x
            ["Sin"] = (g, op) => g.Emit("Cos", [op.In(0)]),
            ["Cos"] = (g, op) => g.Neg(g.Emit("Sin", [op.In(0)])),
            ["Gelu"] = Gelu,
        }.ToFrozenDictionary();

    // exact: Φ(x) + x φ(x)
    // tanh:  ½(1 + t) + ½ x (1 − t²) √(2/π) (1 + 3·0.044715 x²),  t = tanh(√(2/π)(x + 0.044715 x³))
    private static Value Gelu(GraphBuilder g, OpView op)
    {
        var x = op.In(0);
        var x2 = g.Mul(x, x);
        if (op.Op.Text("approximate", "none") == "none")
        {
            var pdf = g.Mul(g.Scalar(0.39894228040143268f), g.Exp(g.Mul(g.Scalar(-0.5f), x2)));
            return g.Add(Cdf(g, x), g.Mul(x, pdf));
        }
        var t = Tanh(g, x, x2);
        var slope = g.Mul(g.Mul(x, g.Sub(g.Scalar(1), g.Mul(t, t))), g.Add(g.Scalar(C), g.Mul(g.Scalar(3 * C * A), x2)));
        return g.Mul(g.Scalar(0.5f), g.Add(g.Add(g.Scalar(1), t), slope));
    }

    /// <summary>gelu(x)/x, as a factor that counts as a constant: Φ(x), or ½(1 + t) for the tanh form.
    /// No division, so it is ½ at 0 and finite everywhere.</summary>
    internal static Value GeluRatio(GraphBuilder g, OpView op)
    {
        var x = op.In(0);
        return op.Op.Text("approximate", "none") == "none" ? Cdf(g, x) : g.Mul(g.Scalar(0.5f), g.Add(g.Scalar(1), Tanh(g, x, g.Mul(x, x))));
    }

    private const float C = 0.79788456080286536f, A = 0.044715f;

    // Φ(x) = ½ (1 + erf(x/√2))
    private static Value Cdf(GraphBuilder g, Value x) =>
        g.Mul(g.Scalar(0.5f), g.Add(g.Scalar(1), g.Emit("Erf", [g.Mul(x, g.Scalar(0.70710678118654752f))])));

    // t = tanh(√(2/π)(x + 0.044715 x³))
    private static Value Tanh(GraphBuilder g, Value x, Value x2) => g.Tanh(g.Mul(x, g.Add(g.Scalar(C), g.Mul(g.Scalar(C * A), x2))));
}
