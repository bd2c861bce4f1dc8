using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>An operator rewritten as others computes what ONNX Runtime computes of the operator itself,
/// and every part of it has a gradient rule.</summary>
public sealed class OperatorLoweringTests
{
    [Theory]
    [InlineData("Clip", 0), InlineData("Clip", 1), InlineData("Clip", 2), InlineData("Sum", 2), InlineData("Sum", 1), InlineData("Max", 2),
        InlineData("Min", 2), InlineData("Max", 0)]
    [InlineData("LeakyRelu", 0), InlineData("PRelu", 1), InlineData("Elu", 0), InlineData("HardSigmoid", 0), InlineData("HardSwish", 0),
        InlineData("Softplus", 0), InlineData("Mish", 0)]
    [InlineData("ReduceL2", 0), InlineData("ReduceSumSquare", 0), InlineData("Dropout", 0), InlineData("CastLike", 1)]
    public void An_operator_is_what_it_is_said_by(string type, int further)
    {
        var g = new GraphBuilder();
        var x = g.Input("x", DataType.Float, Dim.Of(2), Dim.Of(3));
        // Clip's limits are numbers in order; the others take whole tensors
        Value[] others = [.. Enumerable.Range(0, further)
            .Select(i => g.Constant($"c{i}", type == "Clip" ? Constants.Of([(2 * i) - 1f]) : Constants.Of([0.5f, -1f + i, 0.25f], 3)))];
        Same(g, type, [x, .. others], new Dictionary<string, DoubleTensor> { ["x"] = new([2, 3], [-3, 0.5, 40, -40, 1.5, -0.25]) });
    }

    [Theory, InlineData("ReduceL2"), InlineData("ReduceSumSquare")]
    public void A_reduction_keeps_its_axes_and_drops_what_it_dropped(string type)
    {
        var g = new GraphBuilder();
        var x = g.Input("x", DataType.Float, Dim.Of(2), Dim.Of(3));
        Same(g, type, [x, g.Ints(-1)], new Dictionary<string, DoubleTensor> { ["x"] = new([2, 3], [-3, 0.5, 4, -4, 1.5, -0.25]) },
            ("keepdims", 0L));
    }

    [Theory]
    [InlineData("bhqd,bhkd->bhqk", new[] { 2, 3, 4, 5 }, new[] { 2, 3, 6, 5 })]
    [InlineData("bqhd,bkhd->bhqk", new[] { 2, 4, 3, 5 }, new[] { 2, 6, 3, 5 })]
    [InlineData("bhqk,bhkd->bqhd", new[] { 2, 3, 4, 6 }, new[] { 2, 3, 6, 5 })]
    [InlineData("i,j->ij", new[] { 4 }, new[] { 3 })]
    [InlineData("i , j -> j i", new[] { 4 }, new[] { 3 })]
    [InlineData("ij,jk->ik", new[] { 2, 3 }, new[] { 3, 4 })]
    [InlineData("ij,kj->ki", new[] { 2, 3 }, new[] { 4, 3 })]
    [InlineData("bi,bi->b", new[] { 2, 3 }, new[] { 2, 3 })]
    [InlineData("bij,bj->bi", new[] { 2, 4, 3 }, new[] { 2, 3 })]
    [InlineData("bi,bij->bj", new[] { 2, 4 }, new[] { 2, 4, 3 })]
    [InlineData("bi,b->bi", new[] { 2, 4 }, new[] { 2 })]
    [InlineData("bij,bij->bij", new[] { 2, 4, 3 }, new[] { 2, 4, 3 })]
    [InlineData("ijk->kij", new[] { 2, 4, 3 }, null)]
    public void Einsum_is_a_product_of_matrices(string equation, int[] left, int[]? right)
    {
        var g = new GraphBuilder();
        var random = new Random(3);
        DoubleTensor Draw(int[] shape) =>
            new(shape, [.. Enumerable.Range(0, shape.Aggregate(1, (n, d) => n * d)).Select(_ => random.NextDouble() - 0.5)]);
        Value Input(string name, int[] shape) => g.Input(name, DataType.Float, [.. shape.Select(n => Dim.Of(n))]);
        var inputs = new Dictionary<string, DoubleTensor> { ["x"] = Draw(left) };
        if (right is not null) inputs["y"] = Draw(right);
        Same(g, "Einsum", right is null ? [Input("x", left)] : [Input("x", left), Input("y", right)], inputs, ("equation", equation));
    }

    [Theory, InlineData("ii->i"), InlineData("ij->i"), InlineData("...i->...i"), InlineData("ij")]
    public void What_is_no_product_stays_as_it_is(string equation)
    {
        var g = new GraphBuilder();
        var x = g.Input("x", DataType.Float, Dim.Of(3), Dim.Of(3));
        Assert.Null(OperatorLowering.Lower(g, g.Emit("Einsum", [x], ("equation", equation)).Producer!, [x]));
    }

    /// <summary>Of operators that this program's operator set lacks, by their formulas.</summary>
    [Fact]
    public void Swish_and_the_runtimes_own_norm_have_their_defaults_and_attributes()
    {
        double[] x = [1e-3, -2e-3, 5e-4];
        static double Swish(double v, double alpha) => v / (1 + Math.Exp(-alpha * v));
        var root = Math.Sqrt((x.Sum(v => v * v) / 3) + 1e-5);
        Close("Swish", x, [.. x.Select(v => Swish(v * 1000, 1))], 1000);
        Close("Swish", x, [.. x.Select(v => Swish(v * 1000, 0.5))], 1000, ("alpha", 0.5f));
        Close("SimplifiedLayerNormalization", x, [.. x.Select(v => v / root)], 1);
    }

    private static void Close(string type, double[] x, double[] expected, double scale, params (string, object)[] attributes)
    {
        var g = new GraphBuilder();
        var v = g.Input("x", DataType.Float, Dim.Of(1), Dim.Of(3));
        Value[] inputs = type == "Swish" ? [v] : [v, g.Ones(3)];
        var itself = GraphBuilder.Attach(new Op(type, "", type, inputs, g.Emit("Identity", inputs[..1], attributes).Producer!.Attributes),
            ["itself"], _ => new Value("itself", DataType.Float, null))[0];
        var made = g.Identity(OperatorLowering.Lower(g, itself.Producer!, inputs)![0], "made");
        var actual = Float32Run.Run(new OnnxGraph([v], [made]).ToProto(),
            new Dictionary<string, DoubleTensor> { ["x"] = new([1, 3], [.. x.Select(n => n * scale)]) })["made"];
        Assert.All(expected.Zip(actual.Data), p => Assert.Equal(p.First, p.Second, 1e-6));
    }

    private static void Same(GraphBuilder g, string type, Value[] inputs, Dictionary<string, DoubleTensor> values,
        params (string, object)[] attributes)
    {
        // shape inference need not know what is never kept
        var itself = GraphBuilder.Attach(new Op(type, "", type, inputs, g.Emit(type, inputs, attributes).Producer!.Attributes), ["itself"],
            _ => new Value("itself", DataType.Float, null))[0];
        var lowered = OperatorLowering.Lower(g, itself.Producer!, inputs);
        Assert.NotNull(lowered);
        var made = g.Emit("Identity", [lowered[0]], ["made"])[0];
        Value[] open = [.. inputs.Where(v => v.IsInput)];
        Assert.All(new OnnxGraph(open, [made]).Ops(), o => Assert.Contains(o.Type, VjpRules.Table.Keys));
        var expected = Float32Run.Run(new OnnxGraph(open, [itself]).ToProto(), values)["itself"];
        var actual = Float32Run.Run(new OnnxGraph(open, [made]).ToProto(), values)["made"];
        Assert.Equal(expected.Shape, actual.Shape);
        Assert.Equal(expected.Shape.Select(n => (long?)n), made.Shape!.Select(d => d.Size));
        // float32's rounding in another order
        Assert.All(expected.Data.Zip(actual.Data), p => Assert.Equal(p.First, p.Second, 1e-5));
    }
}
