using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

public class LiveMemoryTests
{
    private static readonly Dictionary<string, long> s_sizes = new() { ["rows"] = 10 };

    private static long Bytes(int values) => 4 * 10 * values;   // float32 [rows, values]

    [Fact]
    public void In_a_chain_two_values_live_at_a_time() =>
        Assert.Equal(Bytes(8 + 8), Peak(g => g.Exp(g.Exp(g.Exp(g.Exp(Input(g, 8)))))));

    [Fact]
    public void What_is_read_later_lives_until_then() => Assert.Equal(Bytes(8 + 8 + 8), Peak(g =>
    {
        var first = g.Exp(Input(g, 8));
        return g.Add(g.Tanh(g.Exp(first)), first);
    }));

    [Fact]
    public void Another_shape_of_a_value_takes_nothing_and_keeps_it() => Assert.Equal(Bytes(8 + 8), Peak(g =>
        g.Exp(g.Unsqueeze(g.Exp(Input(g, 8)), 0))));

    [Fact]
    public void What_follows_from_weights_is_no_value_of_a_run_but_a_copy_of_the_session()
    {
        var g = new GraphBuilder();
        var (x, w) = (Input(g, 8), Weight(g));
        var graph = new OnnxGraph([x], [g.MatMul(g.MatMul(x, w), g.Transpose(w, 1, 0))]);
        Assert.Equal(Bytes(8 + 8), LiveMemory.Peak(graph, s_sizes));
        Assert.Equal(4 * 8 * 8, LiveMemory.Copies(graph, packed: false));        // turned
        Assert.Equal(2 * 4 * 8 * 8, LiveMemory.Copies(graph, packed: true));     // laid out as it is, and turned
    }

    private static long Peak(Func<GraphBuilder, Value> make)
    {
        var g = new GraphBuilder();
        var made = make(g);
        return LiveMemory.Peak(new OnnxGraph([], [made]), s_sizes);
    }

    private static Value Input(GraphBuilder g, long width) => g.Input("x", DataType.Float, Dim.Named("rows"), Dim.Of(width));

    private static Value Weight(GraphBuilder g) => g.Constant("W", Constants.Of(new float[64], 8, 8));
}
