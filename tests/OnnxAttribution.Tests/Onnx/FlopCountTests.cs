using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

public class FlopCountTests
{
    private static readonly Dictionary<string, long> s_sizes = new() { ["position"] = 16, ["rows"] = 64 };

    [Fact]
    public void A_product_of_m_by_k_and_k_by_n_is_two_m_n_k() =>
        Assert.Equal(2 * 16 * 3072 * 768, Count(g => g.MatMul(Positions(g, 768), Weight(g, 768, 3072))));

    [Fact]
    public void Batch_axes_multiply() =>
        Assert.Equal(2 * 64 * 12 * 16 * 16 * 64,
            Count(g => g.MatMul(Scores(g, Dim.Named("rows"), 64), Scores(g, Dim.Of(1), 64, turned: true))));

    [Fact]
    public void A_gemm_counts_its_inner_axis_however_it_is_stored()
    {
        Assert.Equal(2 * 16 * 5 * 7,
            Count(g => g.Emit("Gemm", [Input(g, Dim.Named("position"), Dim.Of(7)), Weight(g, 5, 7)], ("transB", 1L))));
        Assert.Equal(2 * 16 * 5 * 7,
            Count(g => g.Emit("Gemm", [Input(g, Dim.Of(7), Dim.Named("position")), Weight(g, 7, 5)], ("transA", 1L))));
    }

    [Fact]
    public void A_product_with_a_transposed_weight_counts_rows_times_positions() =>
        Assert.Equal(2L * 64 * 16 * 3072 * 768, Count(g =>
            g.MatMulTransposed(Input(g, Dim.Named("rows"), Dim.Named("position"), Dim.Of(3072)), Weight(g, 768, 3072))));

    [Fact]
    public void Products_add_up_and_nothing_else_counts() =>
        Assert.Equal(2 * (2 * 16 * 8 * 8),
            Count(g => g.Tanh(g.MatMul(g.Exp(g.MatMul(Positions(g, 8), Weight(g, 8, 8))), Weight(g, 8, 8)))));

    [Fact]
    public void A_product_of_constants_is_made_once_and_does_not_count() =>
        Assert.Equal(2 * 16 * 8 * 8, Count(g => g.MatMul(Positions(g, 8), g.MatMul(Weight(g, 8, 3), Weight(g, 3, 8)))));

    [Fact]
    public void An_axis_without_size_or_name_is_refused() =>
        Assert.Throws<GraphException>(() => Count(g => g.MatMul(Input(g, Dim.Unknown, Dim.Of(8)), Weight(g, 8, 8))));

    [Fact]
    public void A_row_costs_four_bytes_for_every_entry_that_has_rows()
    {
        var g = new GraphBuilder();
        var x = Input(g, Dim.Named("rows"), Dim.Named("position"), Dim.Of(10));
        // [position] and [1, position, 10]: without rows
        var graph = new OnnxGraph([x], [g.ReduceSum(g.Exp(x), false, 0, 2), g.Exp(Positions(g, 10))]);
        Assert.Equal(4 * 16 * 10, FlopCount.BytesPer(graph, "rows", s_sizes));
    }

    private static long Count(Func<GraphBuilder, Value> make)
    {
        var product = make(new GraphBuilder());
        return FlopCount.Of(new OnnxGraph([], [product]), s_sizes);
    }

    private static Value Positions(GraphBuilder g, long width) => Input(g, Dim.Of(1), Dim.Named("position"), Dim.Of(width));

    private static Value Scores(GraphBuilder g, Dim batch, long width, bool turned = false) =>
        turned
            ? Input(g, batch, Dim.Of(12), Dim.Of(width), Dim.Named("position"))
            : Input(g, batch, Dim.Of(12), Dim.Named("position"), Dim.Of(width));

    private static Value Input(GraphBuilder g, params Dim[] shape) => g.Input("x", DataType.Float, shape);

    private static Value Weight(GraphBuilder g, int m, int n) => g.Constant($"W{m}x{n}", Constants.Of(new float[m * n], m, n));
}
