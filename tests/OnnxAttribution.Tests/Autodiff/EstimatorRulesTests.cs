using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>The rules of the other estimators are true derivatives too:
/// of the function in which what they hold fixed is a constant (<see cref="HeldFixed"/>).</summary>
public class EstimatorRulesTests
{
    // as in VjpRulesTests
    private const double Float32Constants = 1e-6, Float32Agreement = 1e-4;

    private const int Batch = 3;

    [Theory, MemberData(nameof(EstimatorCases.Operators), MemberType = typeof(EstimatorCases))]
    public void Vjp_equals_central_differences_with_the_fixed_parts_as_constants(string estimator, string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var model = GradientGraph.Vjp(f, known, EstimatorCases.RulesOf(estimator)).ToProto();
        var at = f.Draw(seed: 1);
        DoubleTensor[] zBars = [.. Enumerable.Range(0, Batch).Select(seed => f.DrawCotangent(at, seed))];
        var inputs = new Dictionary<string, DoubleTensor>(at) { ["z.bar"] = DirectionBatch.Stack(zBars) };
        var (inDouble, inFloat) = (DoubleInterpreter.Run(model.Graph, inputs), Float32(model, inputs));
        var (held, point) = HeldFixed.At(f.Graph, at, estimator);
        foreach (var input in f.Differentiable)
        {
            for (var b = 0; b < Batch; b++)
            {
                var expected = CentralDifferences.Vjp(held, point, (input, OperatorCase.Output), zBars[b]);
                DirectionBatch.AssertClose(expected, Row(inDouble, input + ".bar", b, at[input]), Float32Constants);
                DirectionBatch.AssertClose(expected, Row(inFloat, input + ".bar", b, at[input]), Float32Agreement);
            }
        }
    }

    [Theory, MemberData(nameof(EstimatorCases.Operators), MemberType = typeof(EstimatorCases))]
    public void Jvp_equals_central_differences_with_the_fixed_parts_as_constants(string estimator, string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var model = GradientGraph.Jvp(f, known, EstimatorCases.RulesOf(estimator)).ToProto();
        var at = f.Draw(seed: 1);
        Dictionary<string, DoubleTensor>[] xDots = [.. Enumerable.Range(0, Batch).Select(seed => f.DrawTangents(at, seed))];
        var inputs = new Dictionary<string, DoubleTensor>(at);
        foreach (var x in f.Differentiable) inputs[x + ".dot"] = DirectionBatch.Stack([.. xDots.Select(u => u[x])]);
        var (inDouble, inFloat) = (DoubleInterpreter.Run(model.Graph, inputs), Float32(model, inputs));
        var (held, point) = HeldFixed.At(f.Graph, at, estimator);
        for (var b = 0; b < Batch; b++)
        {
            var expected = CentralDifferences.Jvp(held, point, xDots[b], OperatorCase.Output);
            DirectionBatch.AssertClose(expected, Row(inDouble, "z.dot", b, expected), Float32Constants);
            DirectionBatch.AssertClose(expected, Row(inFloat, "z.dot", b, expected), Float32Agreement);
        }
    }

    [Theory, MemberData(nameof(EstimatorCases.Operators), MemberType = typeof(EstimatorCases))]
    public void Vjp_is_the_transpose_of_jvp(string estimator, string name, KnownAxes known)
    {
        var (f, rules) = (OperatorCases.Get(name), EstimatorCases.RulesOf(estimator));
        var at = f.Draw(seed: 2);
        var (u, v) = (f.DrawTangents(at, seed: 4), f.DrawCotangent(at, seed: 3));
        var inputs = new Dictionary<string, DoubleTensor>(at) { ["z.bar"] = DirectionBatch.Stack([v]) };
        foreach (var x in f.Differentiable) inputs[x + ".dot"] = DirectionBatch.Stack([u[x]]);
        var pushed = Row(DoubleInterpreter.Run(GradientGraph.Jvp(f, known, rules).ToProto().Graph, inputs), "z.dot", 0, v).Dot(v);
        var xBars = DoubleInterpreter.Run(GradientGraph.Vjp(f, known, rules).ToProto().Graph, inputs);
        var pulled = f.Differentiable.Sum(x => Row(xBars, x + ".bar", 0, at[x]).Dot(u[x]));
        Assert.Equal(pushed, pulled, tolerance: Float32Constants * Math.Max(1, Math.Abs(pushed)));
    }

    [Theory, InlineData("none"), InlineData("tanh")]
    public void The_ratio_of_gelu_is_a_half_at_0_and_finite_everywhere(string form)
    {
        float[] x = [0, -0f, 1e-30f, 40, -40, 1e30f, -1e30f, float.MaxValue, float.MinValue];
        var sketch = new GraphSketch().Input("x", x.Length).Node("z = Gelu(x)", ("approximate", form)).ToGraph();
        var graph = OnnxGraph.FromProto(GraphSketch.ToModel(sketch));
        var g = new GraphBuilder("gradient/");
        var zBar = g.Input("z.bar", DataType.Float, Dim.Of(1), Dim.Of(x.Length));
        var xBar = PullBack.FromWhole(new WalkScope(g, GradientRules.Relp, [graph["x"]]), graph["z"], zBar, [graph["x"]])[graph["x"]];
        var model = new OnnxGraph([graph["x"], zBar], [g.Identity(xBar, "x.bar")]).ToProto();
        var inputs = new Dictionary<string, DoubleTensor>
        {
            ["x"] = new([x.Length], [.. x.Select(v => (double)v)]),
            ["z.bar"] = new([1, x.Length], [.. x.Select(_ => 1.0)])
        };
        Assert.Equal([0.5, 0.5, 0.5, 1, 0, 1, 0, 1, 0], Float32Run.Run(model, inputs)["x.bar"].Data);
    }

    [Theory, InlineData("gradient", "q,k,v"), InlineData("relp", "q,k,v"), InlineData("frozen", "v"),
        InlineData("gim", "q,k,v")]
    public void A_fixed_pattern_lets_nothing_into_q_and_k(string estimator, string reached)
    {
        var sketch = new GraphSketch().Input("q", 3, 4).Input("k", 4, 3).Input("v", 3, 4).Node("s = MatMul(q, k)").Node("p = Softmax(s)")
            .Node("z = MatMul(p, v)").ToGraph();
        var graph = OnnxGraph.FromProto(GraphSketch.ToModel(sketch));
        var g = new GraphBuilder("gradient/");
        Value[] inputs = [graph["q"], graph["k"], graph["v"]];
        var zBar = g.Input("z.bar", DataType.Float, Dim.Of(1), Dim.Of(3), Dim.Of(4));
        var xBars = PullBack.FromWhole(new WalkScope(g, EstimatorCases.RulesOf(estimator), inputs), graph["z"], zBar, inputs);
        Assert.Equal(reached.Split(','), inputs.Where(xBars.ContainsKey).Select(x => x.Name));
        foreach (var x in inputs)
        {
            var xDot = new Dictionary<Value, Value> { [x] = g.Input(x.Name + ".dot", DataType.Float, [Dim.Of(1), .. x.Shape!]) };
            Assert.Equal(reached.Contains(x.Name),
                PushForward.Run(new WalkScope(g, EstimatorCases.RulesOf(estimator), inputs), xDot, [graph["z"]]).ContainsKey(graph["z"]));
        }
    }

    // q = x W, k = y V, v = x: what the table says of each, the softmax's derivative left as it is
    [Fact]
    public void Gim_takes_a_quarter_of_queries_and_keys_and_a_half_of_values()
    {
        var sketch = new GraphSketch().Input("q", 3, 4).Input("k", 3, 4).Input("v", 3, 4).Weights("W", 4, 4)
            .Node("t = Transpose(W)").Node("i = MatMul(q, t)").Node("kt = Transpose(k)").Node("s = MatMul(i, kt)").Node("p = Tanh(s)")
            .Node("z = MatMul(p, v)");
        foreach (var (input, share) in (ReadOnlySpan<(string, double)>)[("q", 0.25), ("k", 0.25), ("v", 0.5)])
        {
            var (truth, gim) = (Gradient(sketch, input, GradientRules.Gradient), Gradient(sketch, input, GradientRules.Gim));
            DirectionBatch.AssertClose(truth.Map(x => share * x), gim, Float32Constants);
        }
    }

    [Fact]
    public void A_softmax_that_reads_no_product_of_activations_keeps_its_derivative_under_gim()
    {
        var sketch = new GraphSketch().Input("q", 3, 4).Weights("W", 4, 4).Node("s = MatMul(q, W)").Node("z = Softmax(s)");
        DirectionBatch.AssertClose(Gradient(sketch, "q", GradientRules.Gradient), Gradient(sketch, "q", GradientRules.Gim), 0);
    }

    private static DoubleTensor Gradient(GraphSketch sketch, string input, GradientRules rules)
    {
        var graph = OnnxGraph.FromProto(GraphSketch.ToModel(sketch.ToGraph()));
        var g = new GraphBuilder("gradient/");
        var zBar = g.Input("z.bar", DataType.Float, Dim.Of(1), Dim.Of(3), Dim.Of(4));
        var x = graph[input];
        var xBar = PullBack.FromWhole(new WalkScope(g, rules, [x]), graph["z"], zBar, [x])[x];
        Value[] read = [.. graph.Inputs.Append(zBar)];
        var random = new Random(5);
        var inputs = read.ToDictionary(v => v.Name, v => DoubleTensor.Tabulate(
            [.. v.Shape!.Select(d => (int)d.Size!.Value)], _ => (2 * random.NextDouble()) - 1));
        return DoubleInterpreter.Run(new OnnxGraph(read, [g.Identity(xBar, "x.bar")]).ToProto().Graph, inputs)["x.bar"];
    }

    // where nothing flows there is no output, which stands for zeros
    private static DoubleTensor Row(IReadOnlyDictionary<string, DoubleTensor> values, string name, int b, DoubleTensor like) =>
        values.TryGetValue(name, out var batch) ? DirectionBatch.Row(batch, b) : DoubleTensor.Zeros(like.Shape);

    private static IReadOnlyDictionary<string, DoubleTensor> Float32(OnnxAttribution.Onnx.Proto.ModelProto model,
        IReadOnlyDictionary<string, DoubleTensor> inputs) =>
        model.Graph.Output.Count == 0 ? new Dictionary<string, DoubleTensor>() : Float32Run.Run(model, inputs);
}
