using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Graphs made for generation: what a prompt without a past has in their inputs,
/// and pasts that a prompt cannot do without.</summary>
public sealed class ForeignPastTests
{
    [Fact]
    public void What_was_filled_in_and_left_out_is_recorded_in_the_graphs_order()
    {
        using var model = new ForeignModel("llama-past");
        model.Export();
        var adopted = BundleManifest.Read(model.Bundle).Adopted!;
        Assert.Equal(
            [("attention_mask", "1 at every token"), ("position_ids", "0, 1, 2, … along the positions"),
                ("past_key_values.0.key", "no earlier tokens"), ("past_key_values.0.value", "no earlier tokens"),
                ("past_key_values.1.key", "no earlier tokens"), ("past_key_values.1.value", "no earlier tokens")],
            adopted.Filled.Select(f => (f.Key, f.Value)));
        Assert.Equal(["present.0.key", "present.0.value", "present.1.key", "present.1.value"], adopted.LeftOut);
        Assert.Empty(adopted.Unread);
        Assert.Empty(adopted.Widened);
    }

    [Fact]
    public void Nothing_is_recorded_of_a_graph_that_takes_tokens_and_gives_logits()
    {
        using var model = new ForeignModel("llama-17");
        Assert.Null(model.Export().Adopted);
        Assert.DoesNotContain("adopted", File.ReadAllText(Path.Combine(model.Bundle, "bundle.json")));
    }

    [Theory, InlineData("llama-past"), InlineData("gpt2-past"), InlineData("gpt2-ort-past"), InlineData("groups-ort-past"),
        InlineData("neox-ort-past"), InlineData("fp16-llama")]
    public void Nothing_of_an_empty_past_stays_in_the_graph(string name)
    {
        using var model = new ForeignModel(name);
        model.Export();
        var graph = OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx")));
        Assert.DoesNotContain(graph.Ops().SelectMany(o => o.In.Concat(o.Out)), v => v?.Shape?.Any(d => d.Size == 0) == true);
    }

    [Fact]
    public void The_branch_without_a_past_is_taken_of_a_merged_decoder()
    {
        using var model = new ForeignModel("llama-merged");
        var adopted = model.Export().Adopted!;
        Assert.Equal([("use_cache_branch", "false")], adopted.Filled.Select(f => (f.Key, f.Value)));
        Assert.Equal(["attention_mask", "position_ids", "past_key_values.0.key"], adopted.Unread.Take(3));
        using var plain = new ForeignModel("llama-17");
        plain.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(plain.Bundle);
        Assert.Equal(expected.Logits([1, 2, 3, 4]), session.Logits([1, 2, 3, 4]));
    }

    [Fact]
    public void A_merged_decoder_whose_condition_is_not_known_is_refused_with_optimums_option()
    {
        using var model = new ForeignModel("llama-merged");
        model.Graph.Graph.Input.First(i => i.Name == "use_cache_branch").Name = "flag";
        model.Graph.Graph.Node[0].Input[0] = "flag";
        model.Refused("If 'optimum::if'", "branch or loop inside", "optimum's no-post-process");
        model.Sites["inputs"] = new System.Text.Json.Nodes.JsonObject { ["flag"] = "use_cache_branch" };
        Assert.Equal("false", model.Export().Adopted!.Filled["flag"]);
    }

    [Fact]
    public void Inputs_of_any_names_hold_what_the_sites_file_says()
    {
        using var model = new ForeignModel("llama-past");
        var names = new Dictionary<string, string>
        {
            ["input_ids"] = "a",
            ["attention_mask"] = "b",
            ["position_ids"] = "c",
            ["past_key_values.0.key"] = "d",
            ["past_key_values.0.value"] = "e",
            ["past_key_values.1.key"] = "f",
            ["past_key_values.1.value"] = "g",
        };
        foreach (var input in model.Graph.Graph.Input) input.Name = names[input.Name];
        foreach (var node in model.Graph.Graph.Node) NodeNames.Rename(node, n => names.GetValueOrDefault(n, n));
        model.Sites.Remove("tokens");
        model.Refused("has the inputs a, b, c, d", "\"tokens\": \"NAME\"");
        var inputs = new System.Text.Json.Nodes.JsonObject();
        foreach (var (was, name) in names) inputs[name] = was.StartsWith("past", StringComparison.Ordinal) ? "past_key_values" : was;
        model.Sites["inputs"] = inputs;
        inputs["d"] = "past_key_value";
        model.Refused(model.SitesPath, "inputs.d is 'past_key_value'", "Did you mean 'past_key_values'?");
        inputs["d"] = "past_key_values";
        inputs["h"] = "attention_mask";
        model.Refused(model.SitesPath, "'h', which", "has not as an input");
        inputs.Remove("h");
        inputs["b"] = "input_ids";
        model.Refused("has the inputs a, b, c, d", "which of them holds the token ids");
        inputs["b"] = "attention_mask";
        model.Export();
        var options = new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Threads: 1);
        Assert.InRange(AdoptionCheck.Require(options, BundleManifest.Read(model.Bundle)), 0, 1e-5f);
        using var same = new ForeignModel("llama-past");
        same.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(same.Bundle);
        Assert.Equal(expected.Logits([1, 2, 3, 4]), session.Logits([1, 2, 3, 4]));
    }

    [Fact]
    public void Two_inputs_of_tokens_are_asked_about()
    {
        using var model = Cached();
        model.Sites.Remove("tokens");
        model.Model.Graph.Input.Add(SketchedModel.Info("input_ids", DataType.Int64, "batch", "position"));
        model.Refused("has the inputs tokens, past_key_values.0.key, input_ids", "which of them holds the token ids");
        model.Sites["tokens"] = "tokens";
        Assert.Equal(["input_ids"], model.Export().Adopted!.Unread);
    }

    [Theory]
    [InlineData("has room for a fixed number of earlier tokens", 16L)]
    [InlineData("leaves open how many heads it has", null)]
    public void A_past_that_cannot_be_empty_is_refused_by_its_shape(string words, long? size)
    {
        using var model = Cached();
        var dims = model.Model.Graph.Input[1].Type.TensorType.Shape.Dim;
        if (size is { } n) dims[2] = new TensorShapeProto.Types.Dimension { DimValue = n };
        else dims[3] = new TensorShapeProto.Types.Dimension { DimParam = "width" };
        model.Refused("the input 'past_key_values.0.key' of shape [batch, 2, ", words, "use_cache=False", "not -with-past");
    }

    [Fact]
    public void A_past_with_no_room_at_all_is_empty()
    {
        using var model = Cached();
        model.Model.Graph.Input[1].Type.TensorType.Shape.Dim[2] = new TensorShapeProto.Types.Dimension { DimValue = 0 };
        Assert.Equal(0, AdoptionCheck.Require(model.Options, model.Export()));
    }

    [Theory, InlineData("Int64"), InlineData("Bool"), InlineData("String")]
    public void A_past_of_no_numbers_is_refused(string type)
    {
        using var model = Cached();
        model.Model.Graph.Input[1].Type.TensorType.ElemType = (int)Enum.Parse<DataType>(type);
        model.Refused("'past_key_values.0.key'", $"is {type} where keys or values of earlier tokens are expected");
    }

    [Fact]
    public void What_an_encoder_made_is_no_past()
    {
        using var model = Cached();
        model.Model.Graph.Input[1].Name = "past_key_values.0.encoder.key";
        model.Refused("'past_key_values.0.encoder.key'", "holds what an encoder made");
    }

    [Fact]
    public void A_past_that_is_read_by_itself_is_refused_by_node()
    {
        // Σ over no tokens is 0 and joins what is computed: nothing says that the model means that
        using var model = Cached(g => g.Ints("two", 2).Node("r = ReduceSum(past_key_values.0.key, two)")
            .Node("s = ReduceSum(r)", ("keepdims", 0)).Node("z = Add(x, s)").Node("y = Add(h, z)"));
        model.Refused("ReduceSum 'node ", "reads 'past_key_values.0.key'", "by itself and not in front of the new ones", "use_cache=False");
    }

    [Fact]
    public void Sizes_read_off_a_past_are_those_of_no_tokens()
    {
        // a bias that depends on how many tokens have passed, and zeros as many as the past has: nothing of both is there
        using var model = Cached(g => g.Scalar("axis", 2L).Node("shape = Shape(past_key_values.0.key)")
            .Node("passed = Gather(shape, axis)")
            .Node("passedf = Cast(passed)", ("to", DataType.Float))
            .Node("z = Add(x, passedf)")
            .Node("y = Add(h, z)"));
        Assert.InRange(AdoptionCheck.Require(model.Options, model.Export()), 0, 1e-6f);
    }

    [Fact]
    public void The_batch_may_be_read_off_pasts()
    {
        using var model = Cached(g => g.Scalar("axis", 0L).Node("shape = Shape(past_key_values.0.key)").Node("batch = Gather(shape, axis)")
            .Node("other = Shape(past_key_values.0.value)").Node("again = Gather(other, axis)").Node("both = Add(batch, again)")
            .Node("f = Cast(both)", ("to", DataType.Float)).Node("z = Add(x, f)").Node("y = Add(h, z)"));
        var value = model.Model.Graph.Input[1].Clone();
        value.Name = "past_key_values.0.value";
        model.Model.Graph.Input.Add(value);
        Assert.InRange(AdoptionCheck.Require(model.Options, model.Export()), 0, 1e-6f);
    }

    [Fact]
    public void A_mask_of_another_form_is_refused_by_its_shape()
    {
        using var model = Cached(g => g.Node("f = Cast(attention_mask)", ("to", DataType.Float)).Node("m = ReduceSum(f)", ("keepdims", 0))
            .Node("y = Add(h, m)"));
        model.Model.Graph.Input.Add(SketchedModel.Info("attention_mask", DataType.Int64, "batch", "one", "position", "total"));
        model.Refused("'attention_mask' has shape [batch, one, position, total] where [batch, position] is expected");
    }

    // keys of two heads of four behind those of the past, and their mean read by every position
    private static SketchedModel Cached(Func<Reference.GraphSketch, Reference.GraphSketch>? rest = null)
    {
        var model = new SketchedModel(g => (rest ?? (s => s.Node("y = Identity(h)")))(g
            .Ints("apart", 0, 0, 2, 4)
            .Node("x4 = Reshape(x, apart)")
            .Node("k = Transpose(x4)", ("perm", new[] { 0, 2, 1, 3 }))
            .Node("keys = Concat(past_key_values.0.key, k)", ("axis", 2))
            .Ints("axis2", 2)
            .Node("mean = ReduceMean(keys, axis2)")
            .Node("back = Transpose(mean)", ("perm", new[] { 0, 2, 1, 3 }))
            .Ints("side", 0, 0, 8)
            .Node("row = Reshape(back, side)")
            .Node("h = Add(x, row)")));
        var past = SketchedModel.Info("past_key_values.0.key", DataType.Float, "batch", "heads", "past", "width");
        past.Type.TensorType.Shape.Dim[1] = new TensorShapeProto.Types.Dimension { DimValue = 2 };
        past.Type.TensorType.Shape.Dim[3] = new TensorShapeProto.Types.Dimension { DimValue = 4 };
        model.Model.Graph.Input.Add(past);
        return model;
    }
}
