using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Files in other operator sets, and with functions of their own, run as before once they are rewritten.</summary>
public sealed class OpsetUpgradeTests
{
    [Theory, InlineData("ReduceMean"), InlineData("ReduceMax"), InlineData("ReduceMin"), InlineData("ReduceProd"), InlineData("ReduceL1"),
        InlineData("ReduceL2"), InlineData("ReduceLogSum"), InlineData("ReduceLogSumExp"), InlineData("ReduceSumSquare")]
    public void Axes_become_an_input(string type)
    {
        foreach (var keep in (long[])[0, 1])
        {
            var node = Node(type, ["x"], ["z"], Ints("axes", -1), Int("keepdims", keep));
            Unchanged(Model(13, node.Clone()));
            Unchanged(Model(17, node));
        }
        Unchanged(Model(17, Node(type, ["x"], ["z"])));
    }

    [Fact]
    public void An_even_split_says_how_many_parts()
    {
        foreach (var version in (int[])[13, 17])
        {
            Unchanged(Model(version, Node("Split", ["x"], ["a", "b"], Int("axis", 1)), Node("Sub", ["a", "b"], ["z"])));
        }
    }

    [Fact]
    public void Short_constants_become_tensors()
    {
        var shape = Node("Constant", [], ["shape"], new AttributeProto { Name = "value_ints", Type = AttributeType.Ints, Ints = { 4, 2 } });
        var number = Node("Constant", [], ["number"], new AttributeProto { Name = "value_float", Type = AttributeType.Float, F = 1.5f });
        var numbers = Node("Constant", [], ["numbers"],
            new AttributeProto { Name = "value_floats", Type = AttributeType.Floats, Floats = { 2, -1 } });
        var model = Model(16, shape, number, numbers, Node("Reshape", ["x", "shape"], ["y"]), Node("Mul", ["y", "number"], ["scaled"]),
            Node("Add", ["scaled", "numbers"], ["z"]));
        Unchanged(model);
        OpsetUpgrade.Apply(model);
        Assert.All(model.Graph.Node.Where(n => n.OpType == "Constant"), n => Assert.Equal("value", n.Attribute.Single().Name));
    }

    [Fact]
    public void Functions_are_put_in_place_with_their_attributes_and_one_in_the_other()
    {
        var model = Model(18, Node("Outer", ["x"], ["y"], Float("slope", 0.25f)), Node("Outer", ["y"], ["z"], Float("slope", 0.5f)));
        foreach (var node in model.Graph.Node) node.Domain = "mine";
        var inner = Function("Inner", ["a"], ["b"], 18,
            Node("LeakyRelu", ["a"], ["b"], new AttributeProto { Name = "alpha", RefAttrName = "alpha", Type = AttributeType.Float }));
        inner.Attribute.Add("alpha");
        var call = Node("Inner", ["t"], ["b"], new AttributeProto { Name = "alpha", RefAttrName = "slope", Type = AttributeType.Float });
        call.Domain = "mine";
        // in an older operator set than the model's
        var outer = Function("Outer", ["a"], ["b"], 13, Node("ReduceMean", ["a"], ["m"], Ints("axes", 1)),
            Node("Sub", ["a", "m"], ["t"]), call);
        outer.Attribute.Add("slope");
        model.Functions.Add([inner, outer]);
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "mine", Version = 1 });
        outer.OpsetImport.Add(new OperatorSetIdProto { Domain = "mine", Version = 1 });
        var rewritten = model.Clone();
        OpsetUpgrade.Apply(rewritten);
        FunctionInlining.Apply(rewritten);
        Assert.Equal(["ReduceMean", "Sub", "LeakyRelu", "ReduceMean", "Sub", "LeakyRelu"],
            rewritten.Graph.Node.Select(n => n.OpType).Where(t => t != "Constant"));
        Assert.Equal([0.25f, 0.5f], rewritten.Graph.Node.Where(n => n.OpType == "LeakyRelu").Select(n => n.Attribute.Single().F));
        var x = new DoubleTensor([2, 4], [1, -2, 3, 0.5, -1, 4, 2, -3]);
        Assert.Equal(Slow(Slow(x, 0.25), 0.5).Data, Run(rewritten, x).Data.Select(v => Math.Round(v, 5)));
    }

    [Fact]
    public void A_function_that_calls_itself_is_refused()
    {
        var model = Model(18, Node("Loop", ["x"], ["z"]));
        model.Graph.Node[0].Domain = "mine";
        var again = Node("Loop", ["a"], ["b"]);
        again.Domain = "mine";
        model.Functions.Add(Function("Loop", ["a"], ["b"], 18, again));
        Assert.Contains("'Loop' calls itself", Assert.Throws<GraphException>(() => FunctionInlining.Apply(model)).Message);
    }

    private static DoubleTensor Slow(DoubleTensor x, double slope) =>
        new(x.Shape,
            [.. x.Data.Chunk(4).SelectMany(row => row.Select(v => v - row.Average()).Select(v => Math.Round(v > 0 ? v : slope * v, 5)))]);

    private static void Unchanged(ModelProto model)
    {
        var x = new DoubleTensor([2, 4], [1, 2, 3, 0.5, 1.5, 4, 2, 3]);
        var expected = Run(model, x);
        var rewritten = model.Clone();
        OpsetUpgrade.Apply(rewritten);
        Assert.Equal(OnnxGraph.Opset, rewritten.OpsetImport.Single().Version);
        Assert.Equal(expected.Data, Run(rewritten, x).Data);
        // and what is read of it is what is run
        var read = OnnxGraph.FromProto(rewritten);
        Assert.Equal(expected.Shape, read.Outputs[0].Shape!.Select(d => (int)d.Size!.Value));
    }

    private static DoubleTensor Run(ModelProto model, DoubleTensor x) =>
        Float32Run.Run(model, new Dictionary<string, DoubleTensor> { ["x"] = x })["z"];

    private static ModelProto Model(int opset, params NodeProto[] nodes)
    {
        var graph = new GraphProto { Name = "g" };
        graph.Node.Add(nodes);
        var shape = new TensorShapeProto();
        shape.Dim.Add([new TensorShapeProto.Types.Dimension { DimValue = 2 }, new TensorShapeProto.Types.Dimension { DimValue = 4 }]);
        graph.Input.Add(new ValueInfoProto
        {
            Name = "x",
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float, Shape = shape } }
        });
        graph.Output.Add(new ValueInfoProto
        {
            Name = "z",
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } }
        });
        var model = new ModelProto { IrVersion = 8, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        return model;
    }

    private static FunctionProto Function(string name, string[] inputs, string[] outputs, int opset, params NodeProto[] nodes)
    {
        var function = new FunctionProto { Name = name, Domain = "mine" };
        function.Input.Add(inputs);
        function.Output.Add(outputs);
        function.Node.Add(nodes);
        function.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        return function;
    }

    private static NodeProto Node(string type, string[] inputs, string[] outputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = type, Name = $"{type} {outputs[0]}" };
        node.Input.Add(inputs);
        node.Output.Add(outputs);
        node.Attribute.Add(attributes);
        return node;
    }

    private static AttributeProto Ints(string name, params long[] values)
    {
        var a = new AttributeProto { Name = name, Type = AttributeType.Ints };
        a.Ints.AddRange(values);
        return a;
    }

    private static AttributeProto Int(string name, long value) => new() { Name = name, Type = AttributeType.Int, I = value };

    private static AttributeProto Float(string name, float value) => new() { Name = name, Type = AttributeType.Float, F = value };
}
