using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>RelP's rules for two products, told by what they multiply:
/// SiLU, which is spelled out as x · σ(x), and a gated MLP's product of an activation function with a linear layer.</summary>
/// <remarks>
/// 1. SiLU (identity rule): σ(x) counts as a constant, as gelu(x)/x does.
/// 2. Gate (half rule): z = a ∘ y with a = f(x) counts as ½ a ∘ [y] + ½ [a] ∘ y, the bracketed factor held fixed: both factors share what
/// the product is worth, where the true derivatives count it twice. Any other product has its true derivatives. Rezaei Jafari et al. 2025
/// (arXiv:2508.21258); Arras et al. 2019 for gates.
/// </remarks>
internal static class ActivationProducts
{
    public static Value?[] Vjp(GraphBuilder g, OpView op, Value?[] zBars)
    {
        var cotangents = VjpRules.Table["Mul"](g, op, zBars);
        if (SiluInput(op.Op) is { } x) return x == 0 ? [cotangents[0], null] : [null, cotangents[1]];
        return IsGate(op.Op) ? [Half(g, cotangents[0]), Half(g, cotangents[1])] : cotangents;
    }

    public static Value[] Jvp(GraphBuilder g, OpView op, Value?[] d)
    {
        // what a sigmoid's own tangent would add is left out; without a tangent of x there is none of the sigmoid either
        if (SiluInput(op.Op) is { } x) return JvpRules.Table["Mul"](g, op, x == 0 ? [d[0], null] : [null, d[1]]);
        var tangent = JvpRules.Table["Mul"](g, op, d)[0];
        return [IsGate(op.Op) ? Half(g, tangent)! : tangent];
    }

    /// <summary>Which input of a product is the x of x · σ(x); null where it is no such product.</summary>
    private static int? SiluInput(Op op) =>
        op.Type != "Mul" ? null : IsSigmoidOf(op.In[1]!, op.In[0]!) ? 0 : IsSigmoidOf(op.In[0]!, op.In[1]!) ? 1 : null;

    private static bool IsSigmoidOf(Value s, Value x) => Made(s) is { Type: "Sigmoid" } op && Source(op.In[0]!) == Source(x);

    /// <summary>Whether a product is a gated MLP's: one factor out of an activation function, the other computed too.</summary>
    internal static bool IsGate(Op op) => IsActivation(op.In[0]!) != IsActivation(op.In[1]!) && op.In.All(v => !v!.IsFixed);

    private static bool IsActivation(Value v) => Made(v) is { } op && (op.Type == "Gelu" || SiluInput(op) is not null);

    private static Op? Made(Value v) => Source(v).Producer;

    private static Value Source(Value v) => v.Producer is { Type: "Identity" } p ? Source(p.In[0]!) : v;

    private static Value? Half(GraphBuilder g, Value? v) => v is null ? null : g.Mul(v, g.Scalar(0.5f));
}
