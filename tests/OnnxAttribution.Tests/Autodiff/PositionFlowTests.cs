using OnnxAttribution.Onnx;
using static OnnxAttribution.Autodiff.PositionFlow;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

public class PositionFlowTests
{
    private static readonly Dim s_one = Dim.Of(1), s_T = Dim.Named("position");

    [Theory]
    [InlineData("Identity"), InlineData("Dropout"), InlineData("Neg"), InlineData("Sqrt"), InlineData("Reciprocal"), InlineData("Exp"),
        InlineData("Log")]
    [InlineData("Erf"), InlineData("Tanh"), InlineData("Sigmoid"), InlineData("Relu"), InlineData("Gelu"), InlineData("Abs"),
        InlineData("Sin")]
    [InlineData("Cos"), InlineData("Sign")]
    public void An_operator_on_each_entry_keeps_every_axis(string type) => AssertFlow(g => g.Emit(type, [X(g)]), [0, 1, 2]);

    [Fact]
    public void A_cast_keeps_every_axis() => AssertFlow(g => g.Cast(X(g), DataType.Double), [0, 1, 2]);

    [Theory, InlineData("Add"), InlineData("Sub"), InlineData("Mul"), InlineData("Div"), InlineData("Pow"), InlineData("Max"),
        InlineData("Min")]
    [InlineData("Greater"), InlineData("GreaterOrEqual"), InlineData("Less"), InlineData("LessOrEqual"), InlineData("Equal")]
    public void A_broadcast_operand_has_no_axis_where_it_repeats(string type)
    {
        AssertFlow(g => g.Emit(type, [X(g), X(g)]), [None, 1, 2], [None, 1, 2]);
        AssertFlow(g => g.Emit(type, [X(g), In(g, Dim.Of(8))]), [None, 1, 2], [None, None, 0]);
        AssertFlow(g => g.Emit(type, [X(g), In(g, s_T, s_one)]), [None, 1, 2], [None, 0, None]);
        AssertFlow(g => g.Emit(type, [In(g), X(g)]), [None, None, None], [None, 1, 2]);
    }

    [Fact]
    public void Where_aligns_its_condition_as_its_branches() =>
        AssertFlow(g => g.Where(g.Greater(In(g, s_T, s_one), In(g)), X(g), In(g)), [None, 0, None], [None, 1, 2], [None, None, None]);

    [Fact]
    public void Expand_keeps_the_axes_that_it_does_not_repeat() =>
        AssertFlow(g => g.Expand(In(g, s_T, s_one), g.Concat(0, g.Ints(3), g.Shape(X(g), 1, 2), g.Ints(8))), [None, 0, None]);

    [Fact]
    public void A_product_keeps_rows_of_the_left_columns_of_the_right_and_batches_of_both()
    {
        AssertFlow(g => g.MatMul(X(g), In(g, Dim.Of(8), Dim.Of(4))), [None, 1, None], [None, None, 1]);
        AssertFlow(g => g.MatMul(In(g, s_T, Dim.Of(3), Dim.Of(8)), In(g, s_T, Dim.Of(8), Dim.Of(4))), [0, 1, None], [0, None, 2]);
        // pattern · v: the positions of v are summed over
        AssertFlow(g => g.MatMul(In(g, Dim.Of(2), s_T, s_T), In(g, Dim.Of(2), s_T, Dim.Of(4))), [0, 1, None], [0, None, 2]);
        AssertFlow(g => g.MatMul(X(g), In(g, Dim.Of(8))), [Mixes, Mixes], [Mixes, Mixes]);
    }

    [Fact]
    public void A_gemm_keeps_rows_of_the_left_and_columns_of_the_right_as_they_are_stored()
    {
        AssertFlow(g => g.Emit("Gemm", [In(g, s_T, Dim.Of(8)), In(g, Dim.Of(8), Dim.Of(4)), In(g, Dim.Of(4))]), [0, None],
            [None, 1], [None, 0]);
        AssertFlow(g => g.Emit("Gemm", [In(g, Dim.Of(8), s_T), In(g, Dim.Of(4), Dim.Of(8))], ("transA", 1L), ("transB", 1L)),
            [1, None], [None, 0]);
    }

    [Theory, InlineData("Softmax"), InlineData("LogSoftmax")]
    public void A_softmax_mixes_its_axis(string type)
    {
        AssertFlow(g => g.Emit(type, [X(g)]), [0, 1, Mixes]);
        AssertFlow(g => g.Emit(type, [X(g)], ("axis", 1L)), [0, Mixes, 2]);
    }

    [Fact]
    public void A_layer_normalization_mixes_every_axis_from_its_own_on()
    {
        AssertFlow(g => g.Emit("LayerNormalization", [X(g), In(g, Dim.Of(8)), In(g, Dim.Of(8))]), [0, 1, Mixes], [None, None, Mixes],
            [None, None, Mixes]);
        AssertFlow(g => g.Emit("LayerNormalization", [X(g), In(g, Dim.Of(8))], ("axis", 1L)), [0, Mixes, Mixes], [None, Mixes, Mixes]);
        AssertFlow(g => g.Emit("RMSNormalization", [X(g), In(g, Dim.Of(8))]), [0, 1, Mixes], [None, None, Mixes]);
    }

    [Theory, InlineData("ReduceMean"), InlineData("ReduceSum"), InlineData("ReduceMax")]
    public void A_reduction_mixes_what_it_reduces_and_renumbers_what_it_keeps(string type)
    {
        AssertFlow(g => g.Emit(type, [X(g), g.Ints(-1)]), [0, 1, Mixes]);
        AssertFlow(g => g.Emit(type, [X(g), g.Ints(0)], ("keepdims", 0L)), [1, 2]);
        AssertFlow(g => g.Emit(type, [X(g), g.Ints(1)]), [0, Mixes, 2]);
        AssertFlow(g => g.Emit(type, [X(g)]), [Mixes, Mixes, Mixes]);
    }

    [Fact]
    public void A_transposition_follows_its_permutation()
    {
        AssertFlow(g => g.Transpose(In(g, s_one, s_T, Dim.Of(2), Dim.Of(4)), 0, 2, 1, 3), [0, 2, 1, 3]);
        AssertFlow(g => g.Transpose(X(g), 1, 2, 0), [1, 2, 0]);
        AssertFlow(g => g.Emit("Transpose", [X(g)]), [2, 1, 0]);
    }

    [Fact]
    public void A_reshape_keeps_the_axes_whose_size_and_place_stay()
    {
        AssertFlow(g => g.Reshape(X(g), 0, 0, 2, 4), [Mixes, 1, Mixes, Mixes]);
        AssertFlow(g => g.Reshape(In(g, s_one, s_T, Dim.Of(2), Dim.Of(4)), 0, 0, 8), [Mixes, 1, Mixes]);
        AssertFlow(g => g.Reshape(X(g), -1, 8), [1, 2]);
        AssertFlow(g => g.Reshape(In(g, s_T, Dim.Of(8)), 1, -1, 8), [Mixes, 0, 1]);
        // the size is there, but what stands before it is not: positions would be counted in another order
        AssertFlow(g => g.Reshape(In(g, Dim.Of(2), s_T, Dim.Of(4)), g.Concat(0, g.Shape(X(g), 1, 2), g.Ints(8))), [Mixes, Mixes]);
        AssertFlow(g => g.Reshape(In(g, s_T, s_T), g.Concat(0, g.Shape(X(g), 1, 2), g.Shape(X(g), 1, 2))), [0, 1]);
    }

    [Fact]
    public void Flattening_keeps_an_axis_with_nothing_but_ones_beside_it()
    {
        AssertFlow(g => g.Emit("Flatten", [X(g)], ("axis", 2L)), [1, 2]);
        // what becomes 2*position counts as a new axis, and so does, to be safe, what stands behind it
        AssertFlow(g => g.Emit("Flatten", [In(g, Dim.Of(2), s_T, Dim.Of(8))], ("axis", 2L)), [Mixes, Mixes]);
    }

    [Fact]
    public void Unsqueeze_and_squeeze_renumber()
    {
        AssertFlow(g => g.Unsqueeze(X(g), 0, -1), [Mixes, 0, 1, 2, Mixes]);
        AssertFlow(g => g.Squeeze(X(g), 0), [1, 2]);
        AssertFlow(g => g.Squeeze(In(g, s_T, s_one, Dim.Of(8)), -2), [0, 2]);
    }

    [Fact]
    public void Parts_are_taken_and_joined_along_one_axis_and_keep_the_others()
    {
        AssertFlow(g => g.Emit("Split", [X(g), g.Ints(3, 5)], 2, ("axis", -1L))[1], [0, 1, Mixes]);
        AssertFlow(g => g.Emit("Split", [X(g)], 2, ("axis", 1L), ("num_outputs", 2))[0], [0, Mixes, 2]);
        AssertFlow(g => g.Concat(-1, X(g), X(g)), [0, 1, Mixes], [0, 1, Mixes]);
        AssertFlow(g => g.Concat(1, X(g), X(g)), [0, Mixes, 2], [0, Mixes, 2]);
        AssertFlow(g => g.Slice(X(g), g.Ints(1), g.Ints(4), g.Ints(-1)), [0, 1, Mixes]);
        AssertFlow(g => g.Slice(X(g), g.Ints(0), g.Ints(4), g.Ints(1)), [0, Mixes, 2]);
    }

    [Fact]
    public void A_gather_mixes_the_axis_it_picks_from()
    {
        AssertFlow(g => g.Gather(X(g), g.Ints(1, 0), 2), [0, 1, Mixes], [None, None, None]);
        AssertFlow(g => g.Gather(X(g), g.Int(0), 0), [1, 2], [None, None]);
        AssertFlow(g => g.Gather(X(g), g.Ints(3, 1), 1), [0, Mixes, 2]);
    }

    [Fact]
    public void The_positions_of_what_is_looked_up_are_those_of_its_indices()
    {
        AssertFlow(g => g.Gather(In(g, Dim.Of(50), Dim.Of(8)), g.Input("i", DataType.Int64, s_one, s_T), 0), [Mixes, Mixes, 1]);
    }

    [Theory, InlineData("Trilu"), InlineData("Softplus"), InlineData("CumSum")]
    public void What_is_not_known_mixes(string type) => AssertFlow(g => g.Emit(type, [X(g), g.Int(1)]), [Mixes, Mixes, Mixes]);

    [Fact]
    public void Without_shapes_everything_mixes() =>
        Assert.Equal(Mixes, InputAxis(new GraphBuilder().Emit("Exp", [new Value("x", DataType.Float, null)]).Producer!, 0, 0));

    [Fact]
    public void The_output_axis_is_the_one_that_follows_all_inputs_that_move()
    {
        var g = new GraphBuilder();
        var product = g.MatMul(X(g), In(g, Dim.Of(8), Dim.Of(4))).Producer!;
        Assert.Equal(1, OutputAxis(product, new Dictionary<int, int> { [0] = 1 }));
        Assert.Equal(1, OutputAxis(g.Add(X(g), In(g, s_T, s_one)).Producer!, new Dictionary<int, int> { [0] = 1, [1] = 0 }));
        Assert.Equal(0, OutputAxis(g.Squeeze(X(g), 0).Producer!, new Dictionary<int, int> { [0] = 1 }));
        // scores: the rows of q and the columns of k run along different axes
        var scores = g.MatMul(X(g), g.Transpose(X(g), 0, 2, 1)).Producer!;
        Assert.Equal(Mixes, OutputAxis(scores, new Dictionary<int, int> { [0] = 1, [1] = 2 }));
        Assert.Equal(Mixes, OutputAxis(g.Softmax(In(g, s_T), 0).Producer!, new Dictionary<int, int> { [0] = 0 }));
    }

    private static void AssertFlow(Func<GraphBuilder, Value> make, params int[][] axesOfInputs)
    {
        var z = make(new GraphBuilder());
        var op = z.Producer!;
        for (var input = 0; input < axesOfInputs.Length; input++)
        {
            Assert.Equal(axesOfInputs[input], Enumerable.Range(0, z.Rank).Select(axis => InputAxis(op, input, axis)));
        }
    }

    // [1, T, 8]
    private static Value X(GraphBuilder g) => In(g, s_one, s_T, Dim.Of(8));

    private static Value In(GraphBuilder g, params Dim[] shape) => g.Input("x", DataType.Float, shape);
}
