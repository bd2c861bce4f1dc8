using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Autodiff;

namespace OnnxAttribution.Tests.Reference;

public class DoubleInterpreterTests
{
    // float32 keeps 6e-8 of each operand; the cases chain up to 20 operations and subtract close numbers, which 1e-5 leaves room for
    private const double Float32Agreement = 1e-5;

    [Theory, MemberData(nameof(OperatorCases.Names), MemberType = typeof(OperatorCases))]
    public void The_interpreter_agrees_with_onnx_runtime_on_a_gradient_case(string name)
    {
        var f = OperatorCases.Get(name);
        for (var seed = 0; seed < 3; seed++)
        {
            var at = f.Draw(seed);
            AssertAgree(RunOnnxRuntime(f.Graph, at), f.Evaluate(at));
        }
    }

    [Theory, MemberData(nameof(InterpreterCases.Names), MemberType = typeof(InterpreterCases))]
    public void The_interpreter_agrees_with_onnx_runtime_on_integers_shapes_and_indices(string name)
    {
        var graph = InterpreterCases.Get(name);
        var at = new Dictionary<string, DoubleTensor> { ["x"] = new([2, 3], [1.75, 0, -1.25, -0.5, 0.25, 2.5]) };
        AssertAgree(RunOnnxRuntime(graph, at), DoubleInterpreter.Run(graph, at)["z"]);
    }

    [Fact]
    public void Every_operator_of_the_interpreter_is_compared_with_onnx_runtime() =>
        Assert.Empty(DoubleInterpreter.Operators.Except(OperatorCases.Operators).Except(InterpreterCases.Operators));

    // as Python's math.erf gives them
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1e-10, 1.1283791670955126e-10)]
    [InlineData(0.1, 0.1124629160182848922)]
    [InlineData(0.5, 0.5204998778130465377)]
    [InlineData(1, 0.8427007929497148693)]
    [InlineData(1.4999, 0.9660932516622953)]
    [InlineData(1.5, 0.9661051464753107271)]
    [InlineData(2, 0.9953222650189527342)]
    [InlineData(3, 0.9999779095030014146)]
    [InlineData(6, 1)]
    [InlineData(-1, -0.8427007929497148693)]
    [InlineData(-30, -1)]
    public void Erf_is_right_to_15_digits(double x, double expected) =>
        Assert.Equal(expected, DoubleInterpreter.Erf(x), tolerance: 1e-15 * Math.Abs(expected));

    [Fact]
    public void Softmax_of_logarithms_is_their_ratio_however_large_the_offset()
    {
        var graph = new GraphSketch().Input("x", 1, 3).Node("z = Softmax(x)").ToGraph();
        var logits = new DoubleTensor([1, 3], [.. new double[] { 1, 2, 5 }.Select(p => 900 + Math.Log(p))]);
        var z = DoubleInterpreter.Run(graph, new Dictionary<string, DoubleTensor> { ["x"] = logits })["z"];
        Assert.All(z.Data.Zip([0.125, 0.25, 0.625]), pair => Assert.Equal(pair.Second, pair.First, tolerance: 1e-12)); // ε · 900
    }

    [Fact]
    public void An_unknown_operator_is_named_with_its_node()
    {
        var graph = new GraphSketch().Input("x", 1).Node("z = Wobble(x)").ToGraph();
        var at = new Dictionary<string, DoubleTensor> { ["x"] = DoubleTensor.Zeros(1) };
        var e = Assert.Throws<NotSupportedException>(() => DoubleInterpreter.Run(graph, at));
        Assert.Equal("The reference interpreter has no operator 'Wobble' (node 'node 0: z = Wobble(x)').", e.Message);
    }

    [Fact]
    public void A_value_that_nothing_gives_is_named()
    {
        var graph = new GraphSketch().Node("z = Exp(x)").ToGraph();
        var e = Assert.Throws<InvalidOperationException>(() => DoubleInterpreter.Run(graph, new Dictionary<string, DoubleTensor>()));
        Assert.Contains("reads 'x'", e.Message);
    }

    private static void AssertAgree(DoubleTensor expected, DoubleTensor actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        for (var i = 0; i < expected.Data.Length; i++)
        {
            Assert.Equal(expected.Data[i], actual.Data[i], tolerance: Float32Agreement * Math.Max(1, Math.Abs(expected.Data[i])));
        }
    }

    // unoptimised: each operator by itself
    private static DoubleTensor RunOnnxRuntime(GraphProto graph, IReadOnlyDictionary<string, DoubleTensor> inputs) =>
        Float32Run.Run(GraphSketch.ToModel(graph), inputs, GraphOptimizationLevel.ORT_DISABLE_ALL)["z"];
}
