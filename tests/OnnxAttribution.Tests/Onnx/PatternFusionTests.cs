using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Norms and GELU in smaller operators are one operator again and compute the same;
/// what only looks like them is left as it is.</summary>
public sealed class PatternFusionTests
{
    private const int Width = 4;

    private readonly GraphBuilder _g = new();
    private readonly Value _x;

    public PatternFusionTests() => _x = _g.Input("x", DataType.Float, Dim.Of(Width), Dim.Of(Width));

    [Fact]
    public void A_layer_norm_is_put_together_with_its_scale_and_shift()
    {
        var scaled = Fused(_g.Mul(Fused(LayerNorm(1e-3f), "LayerNormalization"), Row("scale")), "LayerNormalization");
        Fused(_g.Add(Row("shift"), scaled), "LayerNormalization");
    }

    [Fact]
    public void A_root_mean_square_norm_is_put_together_whether_it_divides_or_multiplies()
    {
        Fused(_g.Div(_x, Root(Mean(Square(_x)), 1e-3f)), "RMSNormalization");
        var inverse = Fused(_g.Mul(_g.Reciprocal(Root(Mean(_g.Pow(_x, _g.Scalar(2))), 1e-3f)), _x), "RMSNormalization");
        Fused(_g.Mul(inverse, Row("scale")), "RMSNormalization");
        Fused(_g.Mul(_x, _g.Div(_g.Scalar(1), Root(Mean(Square(_x)), 1e-3f))), "RMSNormalization");
    }

    [Fact]
    public void A_gelu_is_put_together_in_either_form_and_any_order()
    {
        Fused(_g.Mul(_g.Mul(_x, _g.Scalar(0.5f)), Plus1(Erf(_g.Div(_x, _g.Scalar(MathF.Sqrt(2)))))), "Gelu");
        Fused(_g.Mul(_x, _g.Mul(Plus1(Erf(_g.Mul(_g.Scalar(0.70710678f), _x))), _g.Scalar(0.5f))), "Gelu");
        Fused(_g.Mul(_g.Scalar(0.5f), _g.Mul(_x, Plus1(Cubic(0.7978845608f, 0.044715f)))), "Gelu");
    }

    [Fact]
    public void A_mean_over_other_axes_is_no_norms()
    {
        var columns = _g.ReduceMean(_x, true, 0);
        var centred = Centred();
        Left(_g.Div(_g.Sub(_x, columns), Root(Mean(Square(_g.Sub(_x, columns))), 1e-3f)));
        Left(_g.Div(centred, Root(_g.ReduceMean(Square(centred), true, 0), 1e-3f)));
        Left(_g.Div(_x, Root(_g.ReduceMean(Square(_x), true, 0, 1), 1e-3f)));
        // [4], which a square x counts by column
        Left(_g.Div(_x, Root(_g.ReduceMean(Square(_x), false, -1), 1e-3f)));
    }

    [Fact]
    public void What_is_divided_by_another_tensors_scale_is_no_norm()
    {
        var y = _g.Tanh(_x);
        Left(_g.Div(_x, Root(Mean(Square(y)), 1e-3f)));
        Left(_g.Div(_x, Root(Mean(_g.Mul(_x, y)), 1e-3f)));
        Left(_g.Div(_x, Root(Mean(_g.Pow(_x, _g.Scalar(4))), 1e-3f)));
        Left(_g.Div(_x, _g.Add(_g.Sqrt(Mean(Square(_x))), _g.Scalar(1e-3f))));
    }

    [Fact]
    public void A_scale_or_shift_that_differs_by_position_is_not_the_norms_own()
    {
        var norm = Fused(LayerNorm(1e-3f), "LayerNormalization");
        var table = _g.Constant("table", Constants.Of([.. Enumerable.Range(0, Width * Width).Select(i => i / 8f)], Width, Width));
        Left(_g.Mul(norm, table));
        Left(_g.Add(norm, table));
        Left(_g.Mul(norm, _g.Tanh(_x)));
    }

    [Fact]
    public void Other_gates_are_no_gelu()
    {
        Value Gated(Value gate, float half = 0.5f, Value? by = null) => _g.Mul(_g.Mul(by ?? _x, _g.Scalar(half)), gate);
        Left(Gated(Plus1(Erf(_g.Mul(_x, _g.Scalar(0.7f))))));
        Left(Gated(Plus1(Erf(_g.Mul(_x, _g.Scalar(0.70710678f)))), half: 0.6f));
        Left(Gated(Plus1(Erf(_g.Mul(_x, _g.Scalar(0.70710678f)))), by: _g.Tanh(_x)));
        Left(Gated(_g.Add(_g.Scalar(1.01f), Erf(_g.Mul(_x, _g.Scalar(0.70710678f))))));
        Left(Gated(Plus1(_g.Tanh(_g.Mul(_x, _g.Scalar(0.7978845608f))))));
        Left(Gated(Plus1(Cubic(0.7978845608f, 0.0456f))));
    }

    private Value Mean(Value v) => _g.ReduceMean(v, true, -1);

    private Value Square(Value v) => _g.Mul(v, v);

    private Value Root(Value v, float epsilon) => _g.Sqrt(_g.Add(v, _g.Scalar(epsilon)));

    private Value Centred() => _g.Sub(_x, Mean(_x));

    private Value LayerNorm(float epsilon)
    {
        var centred = Centred();
        return _g.Div(centred, Root(Mean(Square(centred)), epsilon));
    }

    private Value Row(string name) => _g.Constant(name, Constants.Of([0.5f, -1, 2, 0.25f], Width));

    private Value Erf(Value v) => _g.Emit("Erf", [v]);

    private Value Plus1(Value v) => _g.Add(v, _g.Scalar(1));

    private Value Cubic(float root, float cubic) =>
        _g.Tanh(_g.Mul(_g.Scalar(root), _g.Add(_x, _g.Mul(_g.Scalar(cubic), _g.Pow(_x, _g.Scalar(3))))));

    private Value? Fuse(Value v) => PatternFusion.Fuse(_g, v.Producer!, [.. v.Producer!.In]);

    private void Left(Value v) => Assert.Null(Fuse(v));

    /// <summary>The operator that is made, of the same numbers as what it stands for,
    /// but for float32's rounding in another order.</summary>
    private Value Fused(Value v, string type)
    {
        var fused = Fuse(v);
        Assert.Equal(type, fused?.Producer!.Type);
        double[] values = [1, -2, 0.5, 3, -0.1, 0.02, 0, 0.05, 2, 2.5, 1, 4, -1, 0, 1, -0.75];
        double[] Run(Value z, string name) =>
            Float32Run.Run(new OnnxGraph([_x], [_g.Identity(z, name)]).ToProto(),
                new Dictionary<string, DoubleTensor> { ["x"] = new([Width, Width], values) })[name].Data;
        Assert.All(Run(v, $"{v.Name}.itself").Zip(Run(fused!, $"{v.Name}.fused")), p => Assert.Equal(p.First, p.Second, 1e-5));
        return fused!;
    }
}
