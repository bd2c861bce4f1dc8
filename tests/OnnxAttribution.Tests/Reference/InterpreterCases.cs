using OnnxAttribution.Onnx.Proto;
using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Reference;

/// <summary>Graphs for what no gradient case reaches: integers, booleans,
/// shapes and indices, cast to float at the end. All take x [2, 3].</summary>
internal static class InterpreterCases
{
    private static readonly Dictionary<string, GraphProto> Table = new()
    {
        ["Integer Div truncates towards 0"] = Sketch(g => g.Ints("a", -7, 7, 8).Ints("b", 2, 2, -3).Node("i = Div(a, b)").Float("i")),
        ["Cast to an integer truncates"] = Sketch(g => g.Node("i = Cast(x)", ("to", DataType.Int64)).Float("i")),
        ["Cast to bool and back"] = Sketch(g => g.Node("b = Cast(x)", ("to", DataType.Bool)).Float("b")),
        ["Mod of integers takes the sign of the divisor"] =
            Sketch(g => g.Ints("a", -7, 7, -7).Ints("b", 3, -3, -3).Node("i = Mod(a, b)").Float("i")),
        ["Mod with fmod takes the sign of the dividend"] = Sketch(g => g.Scalar("c", 0.75f).Node("z = Mod(x, c)", ("fmod", 1))),
        ["Round, Ceil, Floor"] = Sketch(g => g.Scalar("two", 2f).Node("h = Mul(x, two)")
            .Node("r = Round(h)").Node("c = Ceil(x)").Node("f = Floor(x)").Node("z = Sum(r, c, f)")),
        ["Sign, with zero"] = Sketch(g => g.Node("z = Sign(x)")),
        ["Less, Equal, Xor, Not"] = Sketch(g => g.Scalar("c", 0.25f)
            .Node("l = Less(x, c)").Node("e = Equal(x, c)").Node("o = Xor(l, e)").Node("n = Not(o)").Float("n")),
        ["LessOrEqual, GreaterOrEqual, And"] = Sketch(g => g.Scalar("c", 0.25f)
            .Node("l = LessOrEqual(x, c)").Node("e = GreaterOrEqual(x, c)").Node("o = And(l, e)").Float("o")),
        ["IsNaN, IsInf"] = Sketch(g => g.Scalar("zero", 0f).Node("q = Div(x, zero)").Node("n = IsNaN(q)").Node("i = IsInf(q)")
            .Node("o = Or(n, i)").Node("no = Not(o)")
            .Node("a = Cast(n)", ("to", DataType.Float)).Node("b = Cast(no)", ("to", DataType.Float)).Node("z = Sub(a, b)")),
        ["Shape"] = Sketch(g => g.Node("s = Shape(x)").Float("s")),
        ["Shape from a negative start"] = Sketch(g => g.Node("s = Shape(x)", ("start", -1)).Float("s")),
        ["Shape to an end past the rank"] = Sketch(g => g.Node("s = Shape(x)", ("start", 1), ("end", 7)).Float("s")),
        ["Size"] = Sketch(g => g.Node("s = Size(x)").Float("s")),
        ["Range of integers"] = Sketch(g => g.Scalar("a", 1L).Scalar("b", 8L).Scalar("d", 3L).Node("r = Range(a, b, d)").Float("r")),
        ["Range of floats, downwards"] = Sketch(g => g.Scalar("a", 1f).Scalar("b", -0.6f).Scalar("d", -0.25f).Node("z = Range(a, b, d)")),
        ["ConstantOfShape, zero by default"] = Sketch(g => g.Ints("s", 2, 2).Node("z = ConstantOfShape(s)")),
        ["ConstantOfShape of an integer"] =
            Sketch(g => g.Ints("s", 2, 2).Node("i = ConstantOfShape(s)", ("value", Integers(7))).Float("i")),
        ["Constant"] = Sketch(g => g.Node("i = Constant()", ("value", Integers(3, 1, 2))).Float("i")),
        ["Constant of raw float16"] = Sketch(g => g.Node("h = Constant()", ("value", Halves(0.5f, -1.25f))).Float("h")),
        ["Constant value_int"] = Sketch(g => g.Node("i = Constant()", ("value_int", 3)).Float("i")),
        ["Constant value_ints"] = Sketch(g => g.Node("i = Constant()", ("value_ints", new[] { 3, 4 })).Float("i")),
        ["Constant value_float"] = Sketch(g => g.Node("z = Constant()", ("value_float", 0.1f))),
        ["EyeLike"] = Sketch(g => g.Node("z = EyeLike(x)", ("k", 1))),
        ["NonZero"] = Sketch(g => g.Node("n = NonZero(x)").Float("n")),
        ["ArgMax, last of equals"] = Sketch(g => g
            .Node("s = Sign(x)").Node("i = ArgMax(s)", ("axis", -1), ("select_last_index", 1), ("keepdims", 0)).Float("i")),
        ["ArgMax, first of equals"] = Sketch(g => g.Node("s = Sign(x)").Node("i = ArgMax(s)", ("axis", -1)).Float("i")),
        ["ArgMin"] = Sketch(g => g.Node("i = ArgMin(x)").Float("i")),
        ["TopK indices"] = Sketch(g => g.Ints("k", 2).Node("v, i = TopK(x, k)").Float("i")),
        ["OneHot in front, negative index, index out of range"] = Sketch(g => g.Ints("i", 1, -1, 5).Scalar("d", 4L).Floats("v", [2], -1, 2)
            .Node("z = OneHot(i, d, v)", ("axis", 0))),
        ["ScatterElements mul"] = Scatter("mul"),
        ["ScatterElements max"] = Scatter("max"),
        ["ScatterElements min"] = Scatter("min"),
        ["Pad that crops"] = Sketch(g => g.Ints("p", 1, -1, 0, 0).Node("z = Pad(x, p)")),
        ["Trilu below the diagonal"] = Sketch(g => g.Scalar("k", -1L).Node("z = Trilu(x, k)", ("upper", 0))),
        ["Flatten at the rank"] = Sketch(g => g.Node("z = Flatten(x)", ("axis", 2))),
        ["Reshape with allowzero"] = Sketch(g => g.Ints("s", 3, 0).Weights("e", 0, 2)
            .Node("r = Reshape(e, s)", ("allowzero", 1)).Node("n = Shape(r)").Float("n")),
        ["LayerNormalization mean"] = Sketch(g => g.Weights("s", 3).Node("y, z = LayerNormalization(x, s)")),
        ["LayerNormalization inverse deviation"] = Sketch(g => g.Weights("s", 3).Node("y, m, z = LayerNormalization(x, s)")),
        ["ReduceMin"] = Sketch(g => g.Ints("a", 0).Node("z = ReduceMin(x, a)")),
        ["ReduceSumSquare"] = Sketch(g => g.Ints("a", 1).Node("z = ReduceSumSquare(x, a)", ("keepdims", 0))),
        ["ReduceL2"] = Sketch(g => g.Node("z = ReduceL2(x)")),
        ["ReduceLogSumExp"] = Sketch(g => g.Ints("a", -1).Node("z = ReduceLogSumExp(x, a)")),
        ["Slice that is empty"] = Sketch(g => g.Ints("b", 2).Ints("e", 1).Node("s = Slice(x, b, e)").Node("n = Shape(s)").Float("n")),
        ["Slice backwards from beyond the end"] = Sketch(g => g
            .Ints("b", 9).Ints("e", -9).Ints("a", 1).Ints("d", -2).Node("z = Slice(x, b, e, a, d)")),
    };

    public static TheoryData<string> Names => [.. Table.Keys];

    public static GraphProto Get(string name) => Table[name];

    public static IEnumerable<string> Operators => Table.Values.SelectMany(g => g.Node).Select(n => n.OpType);

    private static GraphSketch Float(this GraphSketch g, string value) => g.Node($"z = Cast({value})", ("to", DataType.Float));

    private static GraphProto Sketch(Func<GraphSketch, GraphSketch> body) => body(new GraphSketch().Input("x", 2, 3)).ToGraph();

    private static GraphProto Scatter(string reduction) => Sketch(g => g
        .Ints("i", [2, 2], 0, 0, 2, 1).Weights("u", 2, 2)
        .Node("z = ScatterElements(x, i, u)", ("axis", 1), ("reduction", reduction)));

    private static TensorProto Integers(params long[] values) =>
        new() { DataType = (int)DataType.Int64, Dims = { values.Length }, Int64Data = { values } };

    private static TensorProto Halves(params float[] values) => new()
    {
        DataType = (int)DataType.Float16,
        Dims = { values.Length },
        RawData = Google.Protobuf.ByteString.CopyFrom([.. values.SelectMany(v => BitConverter.GetBytes((Half)v))]),
    };
}
