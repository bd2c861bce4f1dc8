using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>A stranger's names are its own: whatever they are, they meet none that this program gives,
/// and outputs of another form are told from a fixed length.</summary>
public sealed class ForeignNamesTests
{
    private static SketchedModel Plain() =>
        new(g => g.Weights("V", 8, 8).Node("a = MatMul(x, V)").Node("t = Tanh(a)").Node("y = Add(x, t)"));

    [Theory]
    [InlineData("")]
    [InlineData("logits")]
    [InlineData("tokens")]
    [InlineData("blocks.0.hook_resid_pre")]
    [InlineData("blocks.0.hook_resid_pre.scaled")]
    [InlineData("n/Reshape_0")]
    [InlineData("m/a")]
    public void Nodes_may_have_any_name_or_none(string name)
    {
        using var plain = Plain();
        using var model = Plain();
        model.Node("t").Name = name;
        if (name.Length == 0) foreach (var node in model.Model.Graph.Node) node.Name = "";
        Same(plain, model);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_pre")]
    [InlineData("blocks.0.hook_resid_pre.raw")]
    [InlineData("n/f0")]
    [InlineData("m/x")]
    [InlineData("gradient/Mul_0")]
    public void Tensors_may_have_any_name(string name)
    {
        using var plain = Plain();
        using var model = Plain();
        var node = model.Node("t");
        node.Output[0] = name;
        node.Name = name;
        model.Node("y").Input[1] = name;
        Same(plain, model);
    }

    [Fact]
    public void A_constant_and_the_tokens_may_have_our_names()
    {
        using var plain = Plain();
        using var model = Plain();
        model.Model.Graph.Initializer.First(t => t.Name == "V").Name = "blocks.0.hook_resid_pre.scale";
        model.Node("a").Input[1] = "blocks.0.hook_resid_pre.scale";
        model.Model.Graph.Input[0].Name = "logits.ids";
        model.Node("x").Input[1] = "logits.ids";
        model.Sites["tokens"] = "logits.ids";
        Same(plain, model);
    }

    [Fact]
    public void Names_inside_functions_meet_none_outside()
    {
        using var plain = Plain();
        using var model = Plain();
        var function = new FunctionProto
        {
            Name = "F",
            Domain = "local",
            Input = { "a" },
            Output = { "b" },
            OpsetImport = { new OperatorSetIdProto { Version = 20 } }
        };
        function.Node.Add(new NodeProto { OpType = "Neg", Input = { "a" }, Output = { "c" } });
        function.Node.Add(new NodeProto { OpType = "Neg", Input = { "c" }, Output = { "d" } });
        function.Node.Add(new NodeProto { OpType = "Tanh", Input = { "d" }, Output = { "b" } });
        model.Model.Functions.Add(function);
        model.Model.OpsetImport.Add(new OperatorSetIdProto { Domain = "local", Version = 1 });
        var call = model.Node("t");
        (call.OpType, call.Domain, call.Name) = ("F", "local", "f");
        // what the call's inner tensor would be called
        model.Node("a").Output[0] = "f.0/c";
        call.Input[0] = "f.0/c";
        Same(plain, model);
    }

    [Fact]
    public void A_tensor_that_two_nodes_make_is_refused()
    {
        using var model = Plain();
        model.Node("a").Output[0] = "t";
        model.Refused("Tanh '", "yields 't', which the graph has already");
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Logits_of_the_last_position_are_refused_with_what_to_do(bool behind)
    {
        using var model = Plain();
        var graph = model.Model.Graph;
        graph.Initializer.Add(new TensorProto(Constants.Of([-1L])) { Name = "last" });
        var unembed = model.Node("logits");
        if (behind)
        {
            unembed.Output[0] = "all";
            graph.Node.Add(new NodeProto { OpType = "Gather", Input = { "all", "last" }, Output = { "logits" }, Attribute = { Axis(1) } });
        }
        else
        {
            unembed.Input[0] = "end";
            graph.Node.Insert(graph.Node.IndexOf(unembed),
                new NodeProto { OpType = "Gather", Input = { "y", "last" }, Output = { "end" }, Attribute = { Axis(1) } });
        }
        model.Refused("[batch, 257]", "they are of one position",
            behind ? "write \"logits\": \"all\" in" : "export the model with the logits of all positions");
        if (!behind) return;
        model.Sites["logits"] = "all";
        using var plain = Plain();
        Same(plain, model);
    }

    [Fact]
    public void Inputs_that_nothing_reads_are_no_obstacle()
    {
        using var plain = Plain();
        using var model = Plain();
        foreach (var name in (string[])["attention_mask", "position_ids"])
        {
            model.Model.Graph.Input.Add(SketchedModel.Info(name, DataType.Int64, "batch", "position"));
        }
        Same(plain, model);
    }

    private static AttributeProto Axis(long axis) => new() { Name = "axis", I = axis, Type = AttributeProto.Types.AttributeType.Int };

    // both become bundles, agree with their own graphs, and compute the same
    private static void Same(SketchedModel a, SketchedModel b)
    {
        foreach (var model in (SketchedModel[])[a, b]) Assert.InRange(AdoptionCheck.Require(model.Options, model.Export()), 0, 1e-5f);
        using var expected = new PlainSession(a.Bundle);
        using var actual = new PlainSession(b.Bundle);
        Assert.Equal(expected.Logits([1, 2, 3]), actual.Logits([1, 2, 3]));
    }
}
