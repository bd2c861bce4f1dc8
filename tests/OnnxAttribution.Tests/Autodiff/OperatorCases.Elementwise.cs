using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Autodiff;

internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Elementwise() =>
    [
        .. Smooth(Domain.Any, "Neg", "Exp", "Erf", "Tanh", "Sigmoid", "Softplus", "Sin", "Cos", "Identity"),
        .. Smooth(Domain.Positive, "Sqrt", "Log"),
        .. Smooth(Domain.AwayFromZero, "Reciprocal"),
        Case("Gelu: exact", [X(2, 3)], "z = Gelu(x)"),
        Case("Gelu: exact, by name", [X(2, 3)], "z = Gelu(x)", ("approximate", "none")),
        Case("Gelu: tanh", [X(2, 3)], "z = Gelu(x)", ("approximate", "tanh")),
        Case("Gelu: spelled out with Erf", [X(2, 3)], g => g
            .Scalar("root2", MathF.Sqrt(2)).Scalar("one", 1f).Scalar("half", 0.5f)
            .Node("s = Div(x, root2)").Node("e = Erf(s)").Node("p = Add(e, one)").Node("q = Mul(x, p)").Node("z = Mul(q, half)")),
        Case("Cast: float to float", [X(2, 3)], "z = Cast(x)", ("to", DataType.Float)),
        Case("Cast: float to double and back", [X(2, 3)], g => g
            .Node("d = Cast(x)", ("to", DataType.Double)).Node("e = Mul(d, d)").Node("z = Cast(e)", ("to", DataType.Float))),
        Case("Pow: square", [X(2, 3)], g => g.Scalar("p", 2f).Node("z = Pow(x, p)")),
        Case("Pow: cube", [X(2, 3)], g => g.Scalar("p", 3f).Node("z = Pow(x, p)")),
        Case("Pow: square, integer exponent", [X(2, 3)], g => g.Scalar("p", 2L).Node("z = Pow(x, p)")),
        Case("Pow: root", [X(Domain.Positive, 2, 3)], g => g.Scalar("p", 0.5f).Node("z = Pow(x, p)")),
        Case("Pow: inverse", [X(Domain.AwayFromZero, 2, 3)], g => g.Scalar("p", -1f).Node("z = Pow(x, p)")),
        Case("Pow: a row of exponents", [X(Domain.Positive, 2, 3)], g => g.Floats("p", [3], 2, 0.5f, -1).Node("z = Pow(x, p)")),
        Case("Pow: a row of integer exponents", [X(Domain.AwayFromZero, 2, 3)], g => g.Ints("p", 3, 2, -1).Node("z = Pow(x, p)")),
        Case("Pow: constant base", [X(2, 3)], g => g.Scalar("base", 2f).Node("z = Pow(base, x)")),
        Case("Add: x thrice", [X(2, 3)], g => g.Node("t = Add(x, x)").Node("z = Add(t, x)")),
        Case("Mul: x thrice", [X(2, 3)], g => g.Node("t = Mul(x, x)").Node("z = Mul(t, x)")),
        Case("Sub: x from its square", [X(2, 3)], g => g.Node("t = Mul(x, x)").Node("z = Sub(t, x)")),
        Case("Div: x by itself plus two", [X(Domain.Positive, 2, 3)],
            g => g.Scalar("two", 2f).Node("t = Add(x, two)").Node("z = Div(x, t)")),
        Case("Add: constant", [X(2, 3)], g => g.Weights("c", 3).Node("z = Add(x, c)")),
        Case("Sub: from a constant", [X(2, 3)], g => g.Weights("c", 3).Node("z = Sub(c, x)")),
        Case("Mul: constant that is wider", [X(3)], g => g.Weights("c", 2, 3).Node("z = Mul(x, c)")),
        Case("Div: by a constant", [X(2, 3)], g => g.Scalar("c", 8f).Node("z = Div(x, c)")),
        Case("Div: of a constant", [X(Domain.AwayFromZero, 2, 3)], g => g.Scalar("c", 8f).Node("z = Div(c, x)")),
    ];

    private static IEnumerable<OperatorCase> Broadcasts() =>
    [
        .. Broadcasts("Add", Domain.Any, Domain.Any),
        .. Broadcasts("Sub", Domain.Any, Domain.Any),
        .. Broadcasts("Mul", Domain.Any, Domain.Any),
        .. Broadcasts("Div", Domain.Any, Domain.AwayFromZero),
        .. Broadcasts("Pow", Domain.Positive, Domain.Any),
        .. Broadcasts("Max", Domain.Quarters, Domain.OddEighths),
        .. Broadcasts("Min", Domain.Quarters, Domain.OddEighths),
    ];

    private static IEnumerable<OperatorCase> Smooth(Domain domain, params string[] operators) => operators.SelectMany(op => new[]
    {
        Case($"{op}: matrix", [X(domain, 2, 3)], $"z = {op}(x)"),
        Case($"{op}: batch of matrices", [X(domain, 2, 2, 3)], $"z = {op}(x)"),
    });

    private static IEnumerable<OperatorCase> Broadcasts(string op, Domain x, Domain y) =>
    [
        Case($"{op}: equal shapes", [X(x, 2, 3), Y(y, 2, 3)], $"z = {op}(x, y)"),
        Case($"{op}: row on the right", [X(x, 2, 3), Y(y, 3)], $"z = {op}(x, y)"),
        Case($"{op}: row on the left", [X(x, 3), Y(y, 2, 2, 3)], $"z = {op}(x, y)"),
        Case($"{op}: column on the right", [X(x, 2, 2, 3), Y(y, 2, 2, 1)], $"z = {op}(x, y)"),
        Case($"{op}: scalar on the right", [X(x, 2, 3), Y(y)], $"z = {op}(x, y)"),
        Case($"{op}: each side repeats the other", [X(x, 3, 1), Y(y, 2, 1, 4)], $"z = {op}(x, y)"),
    ];

    // operators with kinks or steps, at points clear of them
    private static IEnumerable<OperatorCase> Kinks() =>
    [
        Case("Relu: matrix", [X(Domain.AwayFromZero, 2, 3)], "z = Relu(x)"),
        Case("Relu: batch of matrices", [X(Domain.OddEighths, 2, 2, 3)], "z = Relu(x)"),
        Case("Abs: matrix", [X(Domain.AwayFromZero, 2, 3)], "z = Abs(x)"),
        Case("Sign: as a factor", [X(Domain.AwayFromZero, 2, 3)], g => g.Node("s = Sign(x)").Node("z = Mul(s, x)")),
        Case("Floor: subtracted", [X(Domain.OddEighths, 2, 3)], g => g.Node("s = Floor(x)").Node("z = Sub(x, s)")),
        Case("Cast: to integers and back, subtracted", [X(Domain.OddEighths, 2, 3)], g => g
            .Node("i = Cast(x)", ("to", DataType.Int64)).Node("s = Cast(i)", ("to", DataType.Float)).Node("z = Sub(x, s)")),
        Case("Clip: both ends", [X(Domain.OddEighths, 3, 4)],
            g => g.Scalar("low", -1f).Scalar("high", 0.5f).Node("z = Clip(x, low, high)")),
        Case("Clip: below only", [X(Domain.OddEighths, 3, 4)], g => g.Scalar("low", -0.5f).Node("z = Clip(x, low)")),
        Case("Clip: above only", [X(Domain.OddEighths, 3, 4)], g => g.Scalar("high", 0.5f).Node("z = Clip(x, , high)")),
        Case("Max: with a constant", [X(Domain.OddEighths, 2, 3)], g => g.Scalar("c", 0.25f).Node("z = Max(x, c)")),
        Case("Max: three inputs", [X(Domain.Quarters, 4, 3), Y(Domain.OddEighths, 3)],
            g => g.Scalar("c", -0.3125f).Node("z = Max(x, c, y)")),
        Case("Min: three inputs", [X(Domain.Quarters, 4, 3), Y(Domain.OddEighths, 3)],
            g => g.Scalar("c", 0.3125f).Node("z = Min(x, c, y)")),
        Case("Sum: three inputs", [X(2, 3), Y(3), Bias(2, 1)], "z = Sum(x, y, b)"),
        .. new[] { "Greater", "GreaterOrEqual", "Less", "LessOrEqual" }.Select(op =>
            Case($"{op}: chooses in Where", [X(Domain.Quarters, 2, 3), Y(Domain.OddEighths, 2, 3)], g => g
                .Node($"c = {op}(x, y)").Node("t = Mul(x, x)").Node("z = Where(c, t, y)"))),
        Case("Greater: as a gate, JumpReLU", [X(Domain.OddEighths, 2, 6)], g => g.Floats("theta", [6], 0, 0.25f, 0.5f, -0.25f, 0, 0.25f)
            .Node("c = Greater(x, theta)").Node("open = Cast(c)", ("to", DataType.Float)).Node("z = Mul(x, open)")),
        Case("Equal, Not, And, Or: choose in Where", [X(Domain.Quarters, 3, 3), Y(3, 3)], g => g.Scalar("zero", 0f).Scalar("half", 0.55f)
            .Node("e = Equal(x, zero)").Node("g = Greater(x, half)").Node("n = Not(g)").Node("a = And(n, e)").Node("c = Or(g, a)")
            .Node("z = Where(c, y, zero)"), "y"),
        Case("Where: constant condition", [X(2, 3), Y(2, 3)], g => g
            .Bools("c", [2, 3], true, false, true, false, false, true).Node("z = Where(c, x, y)")),
        Case("Where: condition is a row", [X(2, 3), Y(2, 3)], g => g.Bools("c", [3], true, false, true).Node("z = Where(c, x, y)")),
        Case("Where: branches broadcast", [X(2, 1, 3), Y(4, 1)], g => g
            .Bools("c", [4, 3], true, false, true, false, false, true, true, true, false, false, true, false).Node("z = Where(c, x, y)")),
        Case("Where: scalar branch is differentiable", [X(2, 3), Y()],
            g => g.Bools("c", [3], true, false, true).Node("z = Where(c, x, y)")),
        Case("Where: masked with a constant", [X(2, 3, 3)], g => g.Scalar("low", -3f)
            .Bools("c", [3, 3], true, false, false, true, true, false, true, true, true).Node("z = Where(c, x, low)")),
        Case("Where: both branches are x", [X(2, 3)],
            g => g.Bools("c", [3], true, false, true).Node("n = Neg(x)").Node("z = Where(c, x, n)")),
    ];
}
