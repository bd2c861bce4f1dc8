namespace OnnxAttribution.Tests.Autodiff;

internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Normalizations() =>
    [
        .. new[] { "Softmax", "LogSoftmax" }.SelectMany(op => new[]
        {
            Case($"{op}: last axis by default", [X(2, 4)], $"z = {op}(x)"),
            Case($"{op}: last axis of a batch", [X(2, 3, 4)], $"z = {op}(x)", ("axis", -1)),
            Case($"{op}: middle axis", [X(2, 3, 4)], $"z = {op}(x)", ("axis", 1)),
            Case($"{op}: first axis", [X(3, 4)], $"z = {op}(x)", ("axis", 0)),
        }),
        Case("LayerNormalization: scale and bias", [X(2, 5), Scale(5), Bias(5)], "z = LayerNormalization(x, y, b)"),
        Case("LayerNormalization: no bias", [X(2, 5), Scale(5)], "z = LayerNormalization(x, y)"),
        Case("LayerNormalization: constant scale and bias", [X(2, 3, 5)], g => g
            .Weights("s", 5).Weights("b", 5).Node("z = LayerNormalization(x, s, b)", ("axis", -1), ("epsilon", 1e-5f))),
        Case("LayerNormalization: batch, differentiable scale and bias", [X(2, 3, 5), Scale(5), Bias(5)],
            "z = LayerNormalization(x, y, b)", ("axis", 2)),
        Case("LayerNormalization: two axes", [X(2, 3, 4), Scale(3, 4), Bias(3, 4)], "z = LayerNormalization(x, y, b)", ("axis", -2)),
        Case("LayerNormalization: two axes, scale and bias broadcast", [X(2, 3, 4), Scale(4), Bias(3, 1)],
            "z = LayerNormalization(x, y, b)", ("axis", 1)),
        Case("LayerNormalization: large epsilon", [X(2, 5), Scale(5), Bias(5)], "z = LayerNormalization(x, y, b)", ("epsilon", 0.5f)),
        Case("RMSNormalization: scale", [X(2, 5), Scale(5)], "z = RMSNormalization(x, y)"),
        Case("RMSNormalization: constant scale", [X(2, 3, 5)],
            g => g.Weights("s", 5).Node("z = RMSNormalization(x, s)", ("axis", -1), ("epsilon", 1e-6f))),
        Case("RMSNormalization: two axes", [X(2, 3, 4), Scale(3, 4)], "z = RMSNormalization(x, y)", ("axis", 1)),
        Case("RMSNormalization: large epsilon", [X(2, 5), Scale(5)], "z = RMSNormalization(x, y)", ("epsilon", 0.5f)),
        Case("LayerNormalization: spelled out", [X(2, 3, 5), Scale(5), Bias(5)], g => g
            .Ints("axes", -1).Scalar("two", 2f).Scalar("epsilon", 1e-5f)
            .Node("mu = ReduceMean(x, axes)").Node("d = Sub(x, mu)").Node("q = Pow(d, two)").Node("v = ReduceMean(q, axes)")
            .Node("e = Add(v, epsilon)").Node("r = Sqrt(e)").Node("n = Div(d, r)").Node("s = Mul(n, y)").Node("z = Add(s, b)")),
        Case("LayerNormalization: spelled out, RMS", [X(2, 3, 5), Scale(5)], g => g
            .Ints("axes", -1).Scalar("epsilon", 1e-5f)
            .Node("q = Mul(x, x)").Node("v = ReduceMean(q, axes)").Node("e = Add(v, epsilon)").Node("r = Sqrt(e)").Node("i = Reciprocal(r)")
            .Node("n = Mul(x, i)").Node("z = Mul(n, y)")),
    ];

    private static IEnumerable<OperatorCase> Reductions() =>
    [
        .. Reductions("ReduceMean", Domain.Any),
        .. Reductions("ReduceSum", Domain.Any),
        .. Reductions("ReduceMax", Domain.Quarters),
        Case("ReduceSum: no axes, and that is nothing to do", [X(2, 3)], "z = ReduceSum(x)", ("noop_with_empty_axes", 1)),
        Case("CumSum: last axis", [X(2, 4)], g => g.Scalar("axis", 1L).Node("z = CumSum(x, axis)")),
        Case("CumSum: exclusive, reverse", [X(3, 2)],
            g => g.Scalar("axis", 0L).Node("z = CumSum(x, axis)", ("exclusive", 1), ("reverse", 1))),
        Case("TopK: values", [X(Domain.Quarters, 2, 5)], g => g.Ints("k", 3).Node("z, i = TopK(x, k)")),
        Case("TopK: smallest along the first axis", [X(Domain.Quarters, 4, 2)], g => g
            .Ints("k", 2).Node("z, i = TopK(x, k)", ("axis", 0), ("largest", 0))),
    ];

    private static IEnumerable<OperatorCase> Reductions(string op, Domain domain) =>
    [
        Case($"{op}: last axis", [X(domain, 2, 3, 4)], g => g.Ints("axes", -1).Node($"z = {op}(x, axes)")),
        Case($"{op}: last axis dropped", [X(domain, 2, 3, 4)], g => g.Ints("axes", -1).Node($"z = {op}(x, axes)", ("keepdims", 0))),
        Case($"{op}: middle axis", [X(domain, 2, 3, 4)], g => g.Ints("axes", 1).Node($"z = {op}(x, axes)", ("keepdims", 1))),
        Case($"{op}: middle axis dropped", [X(domain, 2, 3, 4)], g => g.Ints("axes", 1).Node($"z = {op}(x, axes)", ("keepdims", 0))),
        Case($"{op}: first and last axis", [X(domain, 2, 3, 4)], g => g.Ints("axes", 0, -1).Node($"z = {op}(x, axes)")),
        Case($"{op}: first and last axis dropped", [X(domain, 2, 3, 4)],
            g => g.Ints("axes", -1, 0).Node($"z = {op}(x, axes)", ("keepdims", 0))),
        Case($"{op}: all axes", [X(domain, 2, 3)], $"z = {op}(x)"),
        Case($"{op}: all axes dropped", [X(domain, 2, 3)], $"z = {op}(x)", ("keepdims", 0)),
    ];

    private static CaseInput Scale(params int[] shape) => Y(Domain.AwayFromZero, shape);
}
