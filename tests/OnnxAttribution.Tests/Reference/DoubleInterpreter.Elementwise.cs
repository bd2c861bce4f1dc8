using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Elementwise() => new(OfOne().Concat(OfSeveral()));

    private static Dictionary<string, Operator> OfOne() => new()
    {
        ["Neg"] = Unary(x => -x),
        ["Abs"] = Unary(Math.Abs),
        ["Sign"] = Unary(x => Math.Sign(x)),
        ["Sqrt"] = Unary(Math.Sqrt),
        ["Reciprocal"] = Unary(x => 1 / x),
        ["Exp"] = Unary(Math.Exp),
        ["Log"] = Unary(Math.Log),
        ["Sin"] = Unary(Math.Sin),
        ["Cos"] = Unary(Math.Cos),
        ["Floor"] = Unary(Math.Floor),
        ["Ceil"] = Unary(Math.Ceiling),
        ["Round"] = Unary(x => Math.Round(x, MidpointRounding.ToEven)),
        ["Erf"] = Unary(Erf),
        ["Tanh"] = Unary(Math.Tanh),
        ["Sigmoid"] = Unary(Sigmoid),
        ["Softplus"] = Unary(x => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)))),
        ["Relu"] = Unary(x => Math.Max(x, 0)),
        ["IsNaN"] = Unary(x => Bit(double.IsNaN(x))),
        ["IsInf"] = Unary(x => Bit(double.IsInfinity(x))),
        ["Not"] = Unary(x => Bit(x == 0)),
        ["Identity"] = Unary(x => x),
        ["Gelu"] = c => [c[0].Map(c.Text("approximate", "none") == "tanh" ? GeluTanh : Gelu)],
        ["Cast"] = c => [c[0].Map(Rounding((DataType)c.Int("to", 0)))],
        ["Clip"] = c => [c[0].Map(Clip(c.Optional(1)?.Value ?? double.NegativeInfinity, c.Optional(2)?.Value ?? double.PositiveInfinity))],
    };

    private static Dictionary<string, Operator> OfSeveral() => new()
    {
        ["Add"] = Binary((x, y) => x + y),
        ["Sub"] = Binary((x, y) => x - y),
        ["Mul"] = Binary((x, y) => x * y),
        ["Div"] = c => [Zip(c[0], c[1], c[0].IsInteger ? (x, y) => Math.Truncate(x / y) : (x, y) => x / y)],
        ["Mod"] = c => [Zip(c[0], c[1], c.Flag("fmod", false) ? (x, y) => x % y : (x, y) => x - y * Math.Floor(x / y))],
        ["Pow"] = Binary(Math.Pow),
        ["Greater"] = Binary((x, y) => Bit(x > y)),
        ["GreaterOrEqual"] = Binary((x, y) => Bit(x >= y)),
        ["Less"] = Binary((x, y) => Bit(x < y)),
        ["LessOrEqual"] = Binary((x, y) => Bit(x <= y)),
        ["Equal"] = Binary((x, y) => Bit(x == y)),
        ["And"] = Binary((x, y) => Bit(x != 0 && y != 0)),
        ["Or"] = Binary((x, y) => Bit(x != 0 || y != 0)),
        ["Xor"] = Binary((x, y) => Bit(x != 0 != (y != 0))),
        ["Max"] = Binary(Math.Max),
        ["Min"] = Binary(Math.Min),
        ["Sum"] = Binary((x, y) => x + y),
        ["Where"] = c => [Where(c[0], c[1], c[2])],
    };

    /// <summary>erf to 1e-15 of itself.</summary>
    /// <remarks>Abramowitz &amp; Stegun 7.1.6, erf x = 2/√π e^(−x²) Σ 2ⁿ x^(2n+1)/(2n+1)!!,
    /// all terms of one sign; from 1.5 on 7.1.14.</remarks>
    public static double Erf(double x)
    {
        var a = Math.Abs(x);
        if (a >= 1.5) return Math.CopySign(1 - ComplementaryErf(a), x);
        var (term, sum) = (x, x);
        for (var n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++) sum += term *= 2 * x * x / (2 * n + 1);
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    // erfc x = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), from the inside out; 120 levels reach 1e-17 at x = 1.5
    private static double ComplementaryErf(double x)
    {
        var tail = x;
        for (var k = 120; k >= 1; k--) tail = x + k / 2.0 / tail;
        return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / tail;
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Gelu(double x) => 0.5 * x * (1 + Erf(x / Math.Sqrt(2)));

    private static double GeluTanh(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    private static Func<double, double> Clip(double low, double high) => x => Math.Min(Math.Max(x, low), high);

    private static double Bit(bool claim) => claim ? 1 : 0;

    private static Func<double, double> Rounding(DataType to) =>
        to == DataType.Bool ? x => Bit(x != 0) : DoubleTensor.IsIntegerType(to) ? Math.Truncate : x => x;

    private static Operator Unary(Func<double, double> f) => c => [c[0].Map(f)];

    /// <summary>Two inputs, or any number folded from the left (Max, Min, Sum).</summary>
    private static Operator Binary(Func<double, double, double> f) =>
        c => [Enumerable.Range(1, c.InputCount - 1).Aggregate(c[0], (x, i) => Zip(x, c[i], f))];

    private static DoubleTensor Zip(DoubleTensor x, DoubleTensor y, Func<double, double, double> f) =>
        DoubleTensor.Tabulate(DoubleTensor.Broadcast(x.Shape, y.Shape), i => f(x.At(i), y.At(i)));

    private static DoubleTensor Where(DoubleTensor condition, DoubleTensor x, DoubleTensor y) => DoubleTensor.Tabulate(
        DoubleTensor.Broadcast(condition.Shape, DoubleTensor.Broadcast(x.Shape, y.Shape)), i => condition.At(i) != 0 ? x.At(i) : y.At(i));
}
