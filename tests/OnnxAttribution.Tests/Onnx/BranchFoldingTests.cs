using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Tests.Reference;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>An If whose condition follows from constants and shapes is the branch that is taken;
/// ONNX Runtime, which decides when it runs, takes the same.</summary>
public sealed class BranchFoldingTests
{
    [Theory]
    // numbers of axes and sizes, as PyTorch's exporters ask for them
    [InlineData("s = Shape(x)|n = Size(s)|c = Equal(n, three)", true)]
    [InlineData("s = Shape(x)|n = Size(s)|c = Equal(n, zero)", false)]
    [InlineData("s = Shape(x)|n = Gather(s, two)|c = Greater(n, three)", true)]
    [InlineData("s = Shape(x)|n = Gather(s, two)|m = Less(n, three)|c = Not(m)", true)]
    [InlineData("s = Shape(x)|n = Gather(s, two)|a = GreaterOrEqual(n, three)|b = LessOrEqual(n, three)|c = And(a, b)", false)]
    [InlineData("s = Shape(x)|n = Gather(s, two)|a = GreaterOrEqual(n, three)|b = LessOrEqual(n, three)|c = Or(b, a)", true)]
    [InlineData("a = Cast(three)|b = Identity(a)|c = Squeeze(b)", true)]
    [InlineData("c = Identity(no)", false)]
    public void The_branch_that_the_runtime_takes_is_taken(string condition, bool taken)
    {
        using var model = Model(condition.Split('|'), Branch(("t", "Tanh", ["x"])), Branch(("t", "Sigmoid", ["x"])));
        Assert.Equal(0, AdoptionCheck.Require(model.Options, model.Export()));
        Assert.Contains(Types(model), type => type == (taken ? "Tanh" : "Sigmoid"));
        Assert.DoesNotContain(Types(model), type => type is "If" || type == (taken ? "Sigmoid" : "Tanh"));
    }

    [Fact]
    public void Branches_within_branches_constants_of_theirs_and_tensors_from_around_them_are_read()
    {
        var inner = Branch(("deeper", "Neg", ["x"]));
        inner.Output[0].Name = "deeper";
        var middle = Branch(("deep", "Mul", ["x", "k"]), ("t", "If", ["no"]));
        middle.Node[1].Attribute.Add(Graph("then_branch", Branch(("t", "Tanh", ["deep"]))));
        middle.Node[1].Attribute.Add(Graph("else_branch", inner));
        middle.Initializer.Add(new TensorProto(Constants.Of([2f])) { Name = "k" });
        // the names within are names without too
        using var model = Model(["k = Tanh(x)", "deep = Neg(k)"], middle, Branch(("t", "Sigmoid", ["x"])), "yes",
            g => g.Node("sum = Add(t, deep)").Node("y = Add(sum, k)"));
        Assert.InRange(AdoptionCheck.Require(model.Options, model.Export()), 0, 1e-6f);
        Assert.DoesNotContain("If", Types(model));
    }

    [Fact]
    public void A_branch_may_hand_on_a_constant()
    {
        var branch = Branch();
        branch.Output[0].Name = "k";
        branch.Initializer.Add(new TensorProto(Constants.Of([0.5f], 1)) { Name = "k" });
        using var model = Model([], branch, Branch(("t", "Sigmoid", ["x"])), "yes");
        Assert.Equal(0, AdoptionCheck.Require(model.Options, model.Export()));
    }

    [Fact]
    public void A_branch_in_a_function_of_the_file_is_read()
    {
        using var model = Model([], Branch(("t", "Tanh", ["x"])), Branch(("t", "Sigmoid", ["x"])));
        var at = model.Node("t");
        model.Model.Graph.Node.Remove(at);
        var function = new FunctionProto
        {
            Name = "aten_f",
            Domain = "pkg.onnxscript.torch_lib",
            Input = { "x" },
            Output = { "t" },
            OpsetImport = { new OperatorSetIdProto { Version = 20 } }
        };
        function.Node.Add(new NodeProto { OpType = "Shape", Name = "n0", Input = { "x" }, Output = { "s" } });
        function.Node.Add(new NodeProto { OpType = "Size", Name = "n1", Input = { "s" }, Output = { "yes" } });
        function.Node.Add(new NodeProto { OpType = "Cast", Name = "n2", Input = { "yes" }, Output = { "cond" },
            Attribute = { new AttributeProto { Name = "to", I = (long)DataType.Bool, Type = AttributeType.Int } } });
        at.Input[0] = "cond";
        function.Node.Add(at);
        model.Model.Functions.Add(function);
        model.Model.OpsetImport.Add(new OperatorSetIdProto { Domain = function.Domain, Version = 1 });
        var y = model.Model.Graph.Node.First(n => n.Output[0] == "y");
        model.Model.Graph.Node.Insert(model.Model.Graph.Node.IndexOf(y), new NodeProto
        {
            OpType = "aten_f", Domain = function.Domain, Name = "call", Input = { "x" }, Output = { "t" }
        });
        Assert.Equal(0, AdoptionCheck.Require(model.Options, model.Export()));
        Assert.Contains("Tanh", Types(model));
    }

    [Fact]
    public void A_condition_that_is_asked_for_twice_at_every_step_is_told_once()
    {
        // each And reads the one before it twice: asked one by one, that doubles sixty times
        var ands = Enumerable.Range(0, 60).Select(i => $"{(i == 59 ? "c" : $"a{i + 1}")} = And(a{i}, a{i})");
        using var model = Model(["s = Shape(x)", "n = Gather(s, two)", "a0 = Greater(n, three)", .. ands],
            Branch(("t", "Tanh", ["x"])), Branch(("t", "Sigmoid", ["x"])));
        model.Export();
        Assert.Contains("Tanh", Types(model));
    }

    [Theory]
    [InlineData("s = ReduceSum(x)|z = Cast(zero)|c = Greater(s, zerof)")]
    [InlineData("s = Shape(tokens)|n = Gather(s, one)|c = Greater(n, three)")]
    public void A_condition_that_is_known_only_when_it_runs_is_refused_by_node(string condition)
    {
        using var model = Model(condition.Split('|'), Branch(("t", "Tanh", ["x"])), Branch(("t", "Sigmoid", ["x"])));
        model.Refused("If 'choice'", "branch or loop inside", "only when it runs");
    }

    [Fact]
    public void A_branch_that_gives_less_than_the_node_yields_or_is_missing_is_not_taken()
    {
        using var model = Model([], Branch(("t", "Tanh", ["x"])), Branch(("t", "Sigmoid", ["x"])), "yes");
        model.Node("t").Attribute[0].G.Output.Clear();
        model.Refused("If 'choice'", "branch or loop inside");
        model.Node("t").Attribute.RemoveAt(0);
        model.Refused("If 'choice'", "branch or loop inside");
    }

    private static List<string> Types(SketchedModel model) =>
        [.. OnnxGraph.FromProto(OnnxAttribution.Bundles.OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx"))).Ops().Select(o => o.Type)];

    private static SketchedModel Model(string[] nodes, GraphProto then, GraphProto otherwise, string condition = "c",
        Func<GraphSketch, GraphSketch>? rest = null)
    {
        var model = new SketchedModel(g =>
        {
            g.Scalar("zero", 0L).Scalar("one", 1L).Scalar("two", 2L).Scalar("three", 3L).Scalar("zerof", 0f).Bools("no", [], false)
                .Bools("yes", [], true);
            foreach (var node in nodes)
            {
                g.Node(node, node.Contains("Cast") ? [("to", DataType.Bool)] : node.Contains("ReduceSum") ? [("keepdims", 0)] : []);
            }
            return (rest ?? (s => s.Node("y = Add(x, t)")))(g.Node($"t = If({condition})"));
        });
        var choice = model.Node("t");
        choice.Name = "choice";
        choice.Attribute.Add(Graph("then_branch", then));
        choice.Attribute.Add(Graph("else_branch", otherwise));
        return model;
    }

    private static AttributeProto Graph(string name, GraphProto graph) => new() { Name = name, G = graph, Type = AttributeType.Graph };

    private static GraphProto Branch(params (string Output, string Type, string[] Inputs)[] nodes)
    {
        var graph = new GraphProto { Name = "branch", Output = { SketchedModel.Info("t", DataType.Float, "b", "p", "w") } };
        foreach (var (output, type, inputs) in nodes)
        {
            graph.Node.Add(new NodeProto { OpType = type, Name = $"{type} {output}", Input = { inputs }, Output = { output } });
        }
        return graph;
    }
}
