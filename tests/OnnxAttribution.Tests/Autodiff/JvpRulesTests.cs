using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

public class JvpRulesTests
{
    // as in VjpRulesTests
    private const double Float32Constants = 1e-6, Float32Agreement = 1e-4;

    private const int Batch = 3;

    [Theory, MemberData(nameof(WithRules))]
    public void Jvp_equals_central_differences_for_every_tangent_of_a_batch(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var at = f.Draw(seed: 1);
        var xDots = Tangents(f, at);
        var zDot = DoubleInterpreter.Run(GradientGraph.Jvp(f, known).ToProto().Graph, With(at, xDots))["z.dot"];
        for (var b = 0; b < Batch; b++) DirectionBatch.AssertClose(f.Jvp(at, xDots[b]), DirectionBatch.Row(zDot, b), Float32Constants);
    }

    // ⟨v, J u⟩ = ⟨Jᵀ v, u⟩: one number that every entry of the Jacobian enters
    [Theory, MemberData(nameof(WithRules))]
    public void Vjp_is_the_transpose_of_jvp(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var at = f.Draw(seed: 2);
        var u = Tangents(f, at);
        var v = f.DrawCotangent(at, seed: 3);
        var zDot = DoubleInterpreter.Run(GradientGraph.Jvp(f, known).ToProto().Graph, With(at, u))["z.dot"];
        var xBars = DoubleInterpreter.Run(
            GradientGraph.Vjp(f, known).ToProto().Graph,
            new Dictionary<string, DoubleTensor>(at) { ["z.bar"] = DirectionBatch.Stack([v]) });
        for (var b = 0; b < Batch; b++)
        {
            var pushed = DirectionBatch.Row(zDot, b).Dot(v);
            var pulled = f.Differentiable.Sum(x => DirectionBatch.Row(xBars[x + ".bar"], 0).Dot(u[b][x]));
            Assert.Equal(pushed, pulled, tolerance: Float32Constants * Math.Max(1, Math.Abs(pushed)));
        }
    }

    [Theory, MemberData(nameof(WithRules))]
    public void Onnx_runtime_runs_the_tangent_graph_in_float32(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var model = GradientGraph.Jvp(f, known).ToProto();
        var at = f.Draw(seed: 1);
        var inputs = With(at, Tangents(f, at));
        DirectionBatch.AssertClose(DoubleInterpreter.Run(model.Graph, inputs)["z.dot"], Float32Run.Run(model, inputs)["z.dot"],
            Float32Agreement);
    }

    [Theory, MemberData(nameof(Refused))]
    public void What_has_no_tangent_rule_is_refused_with_its_operator_and_node(string name, KnownAxes known)
    {
        var f = OperatorCases.Get(name);
        var e = Assert.Throws<GraphException>(() => GradientGraph.Jvp(f, known));
        Assert.Contains(f.Graph.Node, n => e.Message.Contains($"{n.OpType} '{n.Name}'"));
    }

    [Theory, InlineData(KnownAxes.ByName), InlineData(KnownAxes.ByRank)]
    public void A_value_of_unknown_rank_is_refused_with_its_name(KnownAxes known)
    {
        var e = Assert.Throws<GraphException>(() => GradientGraph.Jvp(OperatorCases.Get("Squeeze: every axis of size 1"), known));
        Assert.Contains("the rank of 'z' (Squeeze) is not known", e.Message);
    }

    // a Squeeze without axes tells its rank by sizes alone
    public static TheoryData<string, KnownAxes> WithRules =>
        RuleCoverage.Cases((f, known) => !IsRefused(f) && !(f.Name == "Squeeze: every axis of size 1" && known != KnownAxes.BySize));

    public static TheoryData<string, KnownAxes> Refused => RuleCoverage.Cases((f, _) => IsRefused(f));

    private static bool IsRefused(OperatorCase f) =>
        RuleCoverage.Differentiated(f).Any(type => !JvpRules.Table.ContainsKey(type)) || MultipliesAVector(f);

    private static bool MultipliesAVector(OperatorCase f) =>
        f.Name.StartsWith("MatMul:", StringComparison.Ordinal) && f.Inputs.Any(x => x.Shape.Length == 1);

    private static Dictionary<string, DoubleTensor>[] Tangents(OperatorCase f, Dictionary<string, DoubleTensor> at) =>
        [.. Enumerable.Range(0, Batch).Select(seed => f.DrawTangents(at, seed))];

    private static Dictionary<string, DoubleTensor> With(Dictionary<string, DoubleTensor> at, Dictionary<string, DoubleTensor>[] xDots)
    {
        var inputs = new Dictionary<string, DoubleTensor>(at);
        foreach (var x in xDots[0].Keys) inputs[x + ".dot"] = DirectionBatch.Stack([.. xDots.Select(u => u[x])]);
        return inputs;
    }
}
