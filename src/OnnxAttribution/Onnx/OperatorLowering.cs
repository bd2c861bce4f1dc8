using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Operators that exporters write and that a few others can say: one gradient rule less each.</summary>
internal static partial class OperatorLowering
{
    /// <summary>The outputs in place of the operator's own; null where it stays as it is.</summary>
    public static Value[]? Lower(GraphBuilder g, Op op, Value?[] inputs)
    {
        if (op.Domain == ContribDomain.Name) return Contrib(g, op, inputs);
        if (op.Type == "Attention") return Attention(g, op, inputs);
        Value X() => inputs[0]!;
        Value? lowered = op.Type switch
        {
            "Identity" => X(),
            "Cast" when (DataType)op.Int("to", 0) == X().Type => X(),
            "CastLike" => X().Type == inputs[1]!.Type ? X() : g.Cast(X(), inputs[1]!.Type),
            "Dropout" when inputs.Length < 3 || inputs[2] is null => X(),                                             // inference: z = x
            "Einsum" => Einsum(g, op, inputs),
            "RotaryEmbedding" => Rotary(g, op, inputs),
            "LpNormalization" => g.Div(X(), LpNorm(g, X(), op.Int("p", 2), op.Int("axis", -1))),
            "Mean" => g.Div(inputs.Skip(1).Aggregate(X(), (sum, v) => g.Add(sum, v!)), g.Scalar(inputs.Length)),
            "Sum" => inputs.Skip(1).Aggregate(X(), (sum, v) => g.Add(sum, v!)),
            "Max" or "Min" when inputs.Length != 2 => inputs.Skip(1).Aggregate(X(), (z, v) => g.Emit(op.Type, [z, v])),
            "Clip" => Clip(g, X(), inputs.ElementAtOrDefault(1), inputs.ElementAtOrDefault(2)),
            "LeakyRelu" => g.Where(g.Greater(X(), g.Scalar(0)), X(), g.Mul(X(), g.Scalar(op.Float("alpha", 0.01f)))),
            "PRelu" => g.Where(g.Greater(X(), g.Scalar(0)), X(), g.Mul(X(), inputs[1]!)),
            "Elu" => g.Where(g.Greater(X(), g.Scalar(0)), X(),
                g.Mul(g.Scalar(op.Float("alpha", 1)), g.Sub(g.Exp(g.Emit("Min", [X(), g.Scalar(0)])), g.Scalar(1)))),
            "HardSigmoid" => HardSigmoid(g, X(), op.Float("alpha", 0.2f), op.Float("beta", 0.5f)),
            "HardSwish" => g.Mul(X(), HardSigmoid(g, X(), 1f / 6, 0.5f)),
            "Softplus" => Softplus(g, X()),
            "Mish" => g.Mul(X(), g.Tanh(Softplus(g, X()))),
            "Swish" => g.Mul(X(), g.Emit("Sigmoid", [op.Float("alpha", 1) is var a and not 1f ? g.Mul(X(), g.Scalar(a)) : X()])),
            "SimplifiedLayerNormalization" when op.Out.Skip(1).All(v => v is null) =>
                g.Emit("RMSNormalization", [X(), inputs[1]], ("axis", op.Int("axis", -1)), ("epsilon", op.Float("epsilon", 1e-5f))),
            "ReduceSumSquare" => g.Emit("ReduceSum", [g.Mul(X(), X()), .. inputs.Skip(1)], Copied(op)),
            "ReduceL2" => g.Sqrt(g.Emit("ReduceSum", [g.Mul(X(), X()), .. inputs.Skip(1)], Copied(op))),
            _ => null,
        };
        return lowered is null ? null : [lowered];
    }

    // Σ|x|, or √Σx²
    private static Value LpNorm(GraphBuilder g, Value x, long p, long axis) =>
        p == 1 ? g.ReduceSum(g.Emit("Abs", [x]), true, axis) : g.Sqrt(g.ReduceSum(g.Mul(x, x), true, axis));

    private static Value Clip(GraphBuilder g, Value x, Value? low, Value? high)
    {
        if (low is not null) x = g.Emit("Max", [x, low]);
        return high is null ? x : g.Emit("Min", [x, high]);
    }

    private static Value HardSigmoid(GraphBuilder g, Value x, float alpha, float beta) =>
        Clip(g, g.Add(g.Mul(x, g.Scalar(alpha)), g.Scalar(beta)), g.Scalar(0), g.Scalar(1));

    // ln(1 + eˣ) without overflow
    private static Value Softplus(GraphBuilder g, Value x) =>
        g.Add(g.Relu(x), g.Log(g.Add(g.Scalar(1), g.Exp(g.Neg(g.Emit("Abs", [x]))))));

    private static (string, object)[] Copied(Op op) =>
        [.. op.Attributes.Values.Where(a => a.Name is "keepdims" or "noop_with_empty_axes").Select(a => (a.Name, (object)a.I))];
}
