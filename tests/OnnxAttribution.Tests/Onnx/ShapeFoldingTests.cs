using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Shapes that are computed at run time are written down, by axes that the tensor has itself.</summary>
public sealed class ShapeFoldingTests
{
    private readonly GraphBuilder _g = new();

    [Fact]
    public void An_axis_that_stays_is_copied_and_one_that_does_not_is_left_open()
    {
        var x = Input("x", "batch", "position", 6);
        // as torch writes x.view(x.size(0), x.size(1), 2, 3)
        Value Size(int axis) => _g.Unsqueeze(_g.Gather(_g.Shape(x), _g.Int(axis), 0), 0);
        Assert.Equal([0, 0, 2, 3], Target(Fold(_g.Reshape(x, _g.Concat(0, Size(0), Size(1), _g.Ints(2), _g.Ints(3))))));
        Assert.Equal([-1, 6], Target(Fold(_g.Reshape(x, _g.Concat(0, _g.Mul(Size(0), Size(1)), _g.Ints(6))))));
    }

    [Fact]
    public void Zeros_that_are_meant_as_zeros_are_left_alone_and_dynamo_s_flag_is_not()
    {
        var x = Input("x", "batch", "position", 6);
        Assert.Null(Folded(_g.Emit("Reshape", [x, _g.Ints(0, 6)], ("allowzero", 1L))));
        var shape = _g.Concat(0, _g.Shape(x, 0, 2), _g.Ints(6, 1));
        Assert.Equal([0, 0, 6, 1], Target(Fold(_g.Emit("Reshape", [x, shape], ("allowzero", 1L)))));
    }

    [Fact]
    public void Rows_of_a_product_get_their_axes_back_from_what_they_were()
    {
        var x = Input("x", "batch", "position", 2);
        var rows = _g.Reshape(x, -1, 2);
        var weight = _g.Constant("w", Constants.Of([1f, 2, 3, 4, 5, 6], 3, 2));
        // the sizes come from another tensor, with a batch of its own
        var other = Input("tokens", "batch", "position");
        var shape = _g.Concat(0, _g.Shape(other), _g.Ints(3));
        var turned = Fold(_g.Reshape(_g.Emit("Gemm", [rows, weight], ("transB", 1L)), shape));
        var flat = _g.Constant("v", Constants.Of([1f, 2, 3, 4, 5, 6], 2, 3));
        var product = Fold(_g.Reshape(_g.Emit("Gemm", [rows, flat, _g.Constant("b", Constants.Of([1f, 1, 1], 3))]), shape));
        Assert.Equal("MatMul", product.Producer!.In[0]!.Producer!.Type);
        // a factor is no part of the product that stands for it
        Assert.Equal("Reshape", Fold(_g.Reshape(_g.Emit("Gemm", [rows, flat], ("alpha", 2f)), shape)).Producer!.Type);
        foreach (var (z, expected) in ((Value, double[])[])[(turned, [5, 11, 17, 11, 25, 39]), (product, [10, 13, 16, 20, 27, 34])])
        {
            Assert.Equal("[batch, position, 3]", $"[{string.Join(", ", z.Shape!)}]");
            var graph = new OnnxGraph([x], [_g.Emit("Identity", [z], ["z"])[0]]);
            Assert.Equal(expected,
                Float32Run.Run(graph.ToProto(), new Dictionary<string, DoubleTensor> { ["x"] = new([2, 1, 2], [1, 2, 3, 4]) })["z"].Data);
        }
    }

    [Fact]
    public void An_expansion_is_by_ones_where_the_axis_is_there()
    {
        var x = _g.Unsqueeze(Input("x", "batch", "position", 6), 2);
        var shape = _g.Concat(0, _g.Shape(x, 0, 2), _g.Ints(4), _g.Shape(x, 3, 4));
        Assert.Equal([1, 1, 4, 1], Target(Fold(_g.Expand(x, shape))));
        // as torch writes expand(b, t, 4, -1): -1 becomes 1 by ConstantOfShape, Equal and Where
        var wanted = _g.Concat(0, _g.Shape(x, 0, 2), _g.Ints(4), _g.Ints(-1));
        var ones = _g.Emit("ConstantOfShape", [_g.Shape(wanted)], ("value", Constants.Of([1L], 1)));
        var minus = _g.Mul(ones, _g.Int(-1));
        Assert.Equal([1, 1, 4, 1], Target(Fold(_g.Expand(x, _g.Where(_g.Equal(wanted, minus), ones, wanted)))));
        Assert.Same(x, Folded(_g.Expand(x, _g.Shape(x))));
    }

    [Fact]
    public void A_slice_that_takes_all_is_none()
    {
        var x = Input("x", "batch", "position", 6);
        Assert.Same(x, Folded(_g.Slice(x, _g.Ints(0), _g.Ints(long.MaxValue), _g.Ints(1))));
        Assert.Same(x, Folded(_g.Slice(x, _g.Ints(0, 0), _g.Concat(0, _g.Shape(x, 1, 2), _g.Ints(6)), _g.Ints(1, -1))));
        Assert.Null(Folded(_g.Slice(x, _g.Ints(0), _g.Ints(5), _g.Ints(2))));
        Assert.Null(Folded(_g.Slice(x, _g.Ints(1), _g.Ints(long.MaxValue), _g.Ints(1))));
        Assert.Null(Folded(_g.Slice(x, _g.Ints(0), _g.Ints(long.MaxValue), _g.Ints(1), _g.Ints(2))));
    }

    private Value Input(string name, params object[] shape) =>
        _g.Input(name, DataType.Float, [.. shape.Select(d => d is string s ? Dim.Named(s) : Dim.Of((int)d))]);

    private Value? Folded(Value v) => ShapeFolding.Fold(_g, v.Producer!, [.. v.Producer!.In])?[0];

    private Value Fold(Value v) => Folded(v) ?? throw new InvalidOperationException($"{v} is left as it is");

    private static long[] Target(Value v) => Constants.Integers(v.Producer!.In[1]!)!;
}
