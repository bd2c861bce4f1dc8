using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>GIM's rules for what multiplies activations with each other: matrix products of two activations, attention's softmax, gates.
/// </summary>
/// <remarks>
/// 1. A product of two activations counts half of each derivative: both factors share what the product is worth. Queries and keys meet in
///    one such product and their pattern meets the values in another, so values get × 0.5, queries and keys × 0.25.
/// 2. A gated MLP's product likewise (<see cref="ActivationProducts.IsGate"/>).
/// 3. Attention's softmax has the derivative of s₂ = softmax(x/2), without its factor ½: where a pattern is saturated the true derivative
///    is nearly nothing in every single key, though all of them together hold the pattern up.
/// An operator is told by what it reads: a weight is whatever no input of the graph enters, and attention's softmax reads a product of two
/// activations through masks and scales. Edin et al. 2025 (arXiv:2505.17630).
/// </remarks>
internal static class InteractionRules
{
    public static Value?[] PullBackProduct(GraphBuilder g, OpView op, Value?[] zBars) =>
        VjpRules.Table[op.Op.Type](g, op, IsInteraction(op.Op) ? [Half(g, zBars[0]), .. zBars.Skip(1)] : zBars);

    /// <summary>The share of its derivatives with which a matrix product counts.</summary>
    public static float ShareOf(Op product) => IsInteraction(product) ? 0.5f : 1;

    public static Value[] PushForwardProduct(GraphBuilder g, OpView op, Value?[] d)
    {
        var made = JvpRules.Table[op.Op.Type](g, op, d);
        return IsInteraction(op.Op) ? [Half(g, made[0])!] : made;
    }

    public static Value?[] PullBackSoftmax(GraphBuilder g, OpView op, Value?[] zBars) =>
        IsAttention(op.Op) ? [Tempered(g, op, zBars[0]!)] : VjpRules.Table["Softmax"](g, op, zBars);

    public static Value[] PushForwardSoftmax(GraphBuilder g, OpView op, Value?[] d) =>
        IsAttention(op.Op) ? [Tempered(g, op, d[0]!)] : JvpRules.Table["Softmax"](g, op, d);

    /// <summary>Whether a softmax is attention's: it reads a matrix product of two activations.</summary>
    public static bool IsAttention(Op softmax) => softmax.Type == "Softmax" && Scores(softmax.In[0]!) is not null;

    /// <summary>The matrix product of two activations that a value is made of by masks, scales and changes of shape; null where it is not.
    /// </summary>
    public static Op? Scores(Value v) => v.Producer switch
    {
        { Type: "MatMul" } product => IsInteraction(product) ? product : null,
        { Type: "Where" } op => Scores(op.In[1]!) ?? Scores(op.In[2]!),
        { Type: "Add" or "Sub" or "Mul" or "Div" } op => Scores(op.In[0]!) ?? Scores(op.In[1]!),
        { Type: "Identity" or "Cast" or "Tanh" or "Reshape" or "Transpose" or "Squeeze" or "Unsqueeze" } op => Scores(op.In[0]!),
        _ => null,
    };

    private static bool IsInteraction(Op op) =>
        op.Type == "Mul" ? ActivationProducts.IsGate(op) : IsActivation(op.In[0]!) && IsActivation(op.In[1]!);

    // whether an input of the graph enters, by more than its shape; what does not is the same in every run of one length
    private static bool IsActivation(Value v)
    {
        var seen = new HashSet<Value>();
        var stack = new Stack<Value>([v]);
        while (stack.TryPop(out var x))
        {
            if (x.IsInput) return true;
            if (x.Producer is not { } op || op.Type is "Shape" or "Size") continue;
            foreach (var read in op.In)
            {
                if (read is not null && seen.Add(read)) stack.Push(read);
            }
        }
        return false;
    }

    // s₂ ∘ (v − Σ v ∘ s₂): the matrix is symmetric, so a cotangent and a tangent go through it alike
    private static Value Tempered(GraphBuilder g, OpView op, Value v)
    {
        var axis = (int)op.FromEnd(op.Op.Int("axis", -1), op.Rank());
        var s = g.Softmax(g.Mul(op.In(0), g.Scalar(0.5f)), axis);
        return g.Mul(s, g.Sub(v, g.ReduceSum(g.Mul(v, s), true, axis)));
    }

    private static Value? Half(GraphBuilder g, Value? v) => v is null ? null : g.Mul(v, g.Scalar(0.5f));
}
