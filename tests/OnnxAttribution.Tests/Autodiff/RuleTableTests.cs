using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

public class RuleTableTests
{
    private static readonly string[] s_needed =
    [
        "MatMul", "Gemm", "Add", "Sub", "Mul", "Div", "Neg", "Pow", "Sqrt", "Reciprocal", "Exp", "Log", "Erf", "Tanh", "Sigmoid",
        "Relu", "Gelu", "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "Sin", "Cos", "ReduceMean", "ReduceSum",
        "Transpose", "Reshape", "Split", "Concat", "Slice", "Gather", "Expand", "Unsqueeze", "Squeeze", "Where", "Cast", "Identity",
    ];

    // in inference Dropout is Identity, which has cases; ONNX Runtime and the interpreter would only repeat them
    private static readonly string[] s_withoutCase = ["Dropout"];

    [Fact]
    public void Every_operator_of_a_transformer_has_a_rule_for_cotangents_and_one_for_tangents()
    {
        Assert.Empty(s_needed.Except(VjpRules.Table.Keys));
        Assert.Empty(s_needed.Except(JvpRules.Table.Keys));
    }

    [Fact]
    public void Every_rule_has_a_case()
    {
        var differentiated = OperatorCases.All.SelectMany(RuleCoverage.Differentiated).ToHashSet();
        Assert.Empty(VjpRules.Table.Keys.Except(VjpRules.NothingFlows).Except(differentiated).Except(s_withoutCase));
        Assert.Empty(JvpRules.Table.Keys.Except(differentiated).Except(s_withoutCase));
    }

    [Fact]
    public void Whatever_has_a_rule_for_tangents_has_one_for_cotangents() => Assert.Empty(JvpRules.Table.Keys.Except(VjpRules.Table.Keys));

    [Theory, InlineData("gradient"), InlineData("relp"), InlineData("frozen"), InlineData("gim")]
    public void The_two_tables_of_an_estimator_and_what_blocks_agree(string estimator)
    {
        var rules = EstimatorCases.RulesOf(estimator);
        Assert.Equal(estimator, rules.Name);
        Assert.Empty(rules.Jvp.Keys.Intersect(rules.NothingFlows));
        Assert.Equal(JvpRules.Table.Keys.Except(rules.NothingFlows).Order(), rules.Jvp.Keys.Order());
        Assert.Equal(VjpRules.Table.Keys.Order(), rules.Vjp.Keys.Order());
    }

    [Fact]
    public void An_operator_without_a_rule_is_an_error_that_names_it_and_its_node()
    {
        var graph = OnnxGraph.FromProto(
            GraphSketch.ToModel(new GraphSketch().Input("x", 2, 3).Node("y = Exp(x)").Node("z = Mish(y)").ToGraph()));
        var g = new GraphBuilder("gradient/");
        var (x, z) = (graph["x"], graph["z"]);
        var e = Assert.Throws<GraphException>(() =>
            PullBack.FromWhole(new WalkScope(g, GradientRules.Gradient, [x]), z, Direction(g), [x]));
        Assert.Contains("operator Mish of node Mish 'node 1: z = Mish(y)'", e.Message);
        e = Assert.Throws<GraphException>(() =>
            PushForward.Run(new WalkScope(g, GradientRules.Gradient, [x]), new Dictionary<Value, Value> { [x] = Direction(g) }, [z]));
        Assert.Contains("operator Mish of node Mish 'node 1: z = Mish(y)'", e.Message);
    }

    [Fact]
    public void Axes_that_are_computed_at_run_time_are_refused_with_the_node()
    {
        var sketch = new GraphSketch().Input("x", 2, 3).Input("y", 1).Ints("start", 0).Ints("end", 1)
            .Node("axes = Cast(y)", ("to", DataType.Int64)).Node("z = Slice(x, start, end, axes)");
        var graph = OnnxGraph.FromProto(GraphSketch.ToModel(sketch.ToGraph()));
        var g = new GraphBuilder("gradient/");
        var e = Assert.Throws<GraphException>(() =>
            PullBack.FromWhole(new WalkScope(g, GradientRules.Gradient, [graph["x"]]), graph["z"], Direction(g), [graph["x"]]));
        Assert.Contains("Slice 'node 1: z = Slice(x, start, end, axes)' computes its axes at run time", e.Message);
    }

    // only what lies between the two sites needs a rule
    [Fact]
    public void An_operator_beside_the_path_needs_no_rule()
    {
        var sketch = new GraphSketch().Input("x", 2, 3).Input("y", 2, 3).Node("m = Softplus(y)").Node("z = Mul(x, m)");
        var graph = OnnxGraph.FromProto(GraphSketch.ToModel(sketch.ToGraph()));
        var g = new GraphBuilder("gradient/");
        Assert.Single(PullBack.FromWhole(new WalkScope(g, GradientRules.Gradient, [graph["x"]]), graph["z"], Direction(g), [graph["x"]]));
    }

    private static Value Direction(GraphBuilder g) => g.Input("direction", DataType.Float, Dim.Named("B"), Dim.Of(2), Dim.Of(3));
}
