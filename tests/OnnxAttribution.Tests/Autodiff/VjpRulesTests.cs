using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

public class VjpRulesTests
{
    // the rules' own constants (2/√π, √(2/π), …) are float32, 6e-8 of themselves, and the deepest case chains about ten of them
    private const double Float32Constants = 1e-6;

    // float32 keeps 6e-8 of each operand; a gradient chains some twenty operations more than the primal (1e-5) and subtracts close numbers
    private const double Float32Agreement = 1e-4;

    private const int Batch = 3;

    [Theory, MemberData(nameof(WithRules))]
    public void Vjp_equals_central_differences_for_every_cotangent_of_a_batch(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var model = GradientGraph.Vjp(f, known).ToProto();
        var at = f.Draw(seed: 1);
        var zBars = Cotangents(f, at);
        var xBars = DoubleInterpreter.Run(model.Graph, With(at, zBars));
        foreach (var input in f.Differentiable)
        {
            for (var b = 0; b < Batch; b++)
            {
                DirectionBatch.AssertClose(f.Vjp(at, input, zBars[b]), DirectionBatch.Row(xBars[input + ".bar"], b), Float32Constants);
            }
        }
    }

    [Theory, MemberData(nameof(WithRules))]
    public void Onnx_runtime_runs_the_gradient_graph_in_float32(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var model = GradientGraph.Vjp(f, known).ToProto();
        var at = f.Draw(seed: 1);
        var inputs = With(at, Cotangents(f, at));
        var expected = DoubleInterpreter.Run(model.Graph, inputs);
        var actual = Float32Run.Run(model, inputs);
        Assert.Equal(model.Graph.Output.Count, actual.Count);
        Assert.All(actual, xBar => DirectionBatch.AssertClose(expected[xBar.Key], xBar.Value, Float32Agreement));
    }

    [Theory, MemberData(nameof(Refused))]
    public void What_has_no_rule_is_refused_with_its_operator_and_node(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var e = Assert.Throws<GraphException>(() => GradientGraph.Vjp(f, known));
        Assert.Contains(f.Graph.Node, n => e.Message.Contains($"{n.OpType} '{n.Name}'"));
    }

    public static TheoryData<string, KnownAxes> WithRules => RuleCoverage.Cases((f, _) => !IsRefused(f));

    public static TheoryData<string, KnownAxes> Refused => RuleCoverage.Cases((f, _) => IsRefused(f));

    private static bool IsRefused(OperatorCase f) =>
        RuleCoverage.Differentiated(f).Any(type => !VjpRules.Table.ContainsKey(type))
            || f.Name is "Max: three inputs" or "Min: three inputs";

    private static DoubleTensor[] Cotangents(OperatorCase f, Dictionary<string, DoubleTensor> at) =>
        [.. Enumerable.Range(0, Batch).Select(seed => f.DrawCotangent(at, seed))];

    private static Dictionary<string, DoubleTensor> With(Dictionary<string, DoubleTensor> at, DoubleTensor[] zBars) =>
        new(at) { ["z.bar"] = DirectionBatch.Stack(zBars) };
}
