using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>A foreign graph that cannot be adopted is refused in one line, and nothing is left of the attempt.</summary>
public sealed partial class ForeignRefusalTests
{
    private const string Pre1 = "blocks.1.hook_resid_pre", Attn0 = "blocks.0.hook_attn_out", Mlp0 = "blocks.0.hook_mlp_out";

    [Fact]
    public void A_tensor_that_is_not_there_is_refused_with_the_nearest_one()
    {
        using var model = new ForeignModel("llama-17");
        model.SiteNames[Attn0] = "blocks.0.hook_attn_ou";
        model.Refused(model.SitesPath, model.OnnxPath, "no tensor 'blocks.0.hook_attn_ou'", "Did you mean 'blocks.0.hook_attn_out'?");
    }

    [Theory]
    [InlineData("gpt2-13", "/model/h.1/ln_1/Add_1_output_0")]
    [InlineData("gpt2-17", "/model/h.1/ln_1/LayerNormalization_output_0")]
    [InlineData("llama-17", "/model/model/layers.1/input_layernorm/Mul_1_output_0")]
    public void A_tensor_behind_the_next_norm_does_not_separate(string name, string tensor)
    {
        using var model = new ForeignModel(name);
        model.SiteNames[Pre1] = tensor;
        model.Refused(model.SitesPath, Pre1, $"'{tensor}'", "does not separate the graph", "Add '", $"reads '{Pre1}' past it",
            "name the residual stream itself");
    }

    [Fact]
    public void A_second_name_of_the_residual_stream_that_one_reader_reads_does_not_separate()
    {
        using var model = new ForeignModel("llama-17");
        var readers = model.Graph.Graph.Node.Where(n => n.Input.Contains(Pre1)).ToList();
        model.Graph.Graph.Initializer.Add(new TensorProto(Constants.Of([1f])) { Name = "one" });
        model.Insert(readers[0], "Mul", [Pre1, "one"], "alias");
        // the norm reads the alias, the addition behind attention does not
        foreach (var reader in readers.Where(n => n.OpType != "Add"))
        {
            for (var i = 0; i < reader.Input.Count; i++)
            {
                if (reader.Input[i] == Pre1) reader.Input[i] = "alias";
            }
        }
        model.SiteNames[Pre1] = "alias";
        model.Refused(Pre1, "'alias'", "does not separate the graph", $"reads '{Pre1}' past it");
    }

    [Fact]
    public void A_second_name_that_is_only_a_name_stands_for_the_tensor()
    {
        using var model = new ForeignModel("llama-17");
        model.Insert(model.Graph.Graph.Node.First(n => n.Input.Contains(Pre1)), "Identity", [Pre1], "alias");
        model.SiteNames[Pre1] = "alias";
        model.Export();
    }

    [Fact]
    public void What_attention_adds_before_its_bias_is_not_the_whole_of_it()
    {
        using var model = new ForeignModel("neox-16");
        model.SiteNames[Attn0] = "/model/gpt_neox/layers.0/attention/dense/MatMul_output_0";
        model.Refused(Attn0, "dense/MatMul_output_0", "not the whole of what is added", "adds a bias to it", "name the tensor behind that");
    }

    [Theory, InlineData("llama-17", Attn0), InlineData("llama-17", Mlp0), InlineData("gpt2-13", Mlp0), InlineData("neox-16", Attn0)]
    public void What_a_sublayer_reads_is_not_what_it_adds(string name, string site)
    {
        using var model = new ForeignModel(name);
        var last = model.Producer(site);
        // behind the last linear map: its input, as wide as the site where the bundle allows it
        var input = name == "gpt2-13" ? model.Producer(last.Input[0]).Input[0]
            : last.OpType == "Add" ? model.Producer(last.Input.First(i => model.Graph.Graph.Node.Any(n => n.Output.Contains(i)))).Input[0]
            : last.Input[0];
        model.SiteNames[site] = input;
        model.Refused(site, site == Mlp0 ? "" : "is not what is added to the residual stream");
    }

    [Fact]
    public void The_sublayers_of_a_block_exchanged_are_refused()
    {
        using var model = new ForeignModel("llama-17");
        (model.SiteNames[Attn0], model.SiteNames[Mlp0]) = (Mlp0, Attn0);
        model.Refused(Attn0, $"is computed from {Mlp0}", "comes after it in a model; exchange the two");
    }

    [Fact]
    public void Blocks_exchanged_are_refused()
    {
        using var model = new ForeignModel("neox-16");
        (model.SiteNames[Attn0], model.SiteNames["blocks.1.hook_attn_out"]) = ("blocks.1.hook_attn_out", Attn0);
        model.Refused(Attn0, "is computed from ", "comes after it in a model; exchange the two");
    }

    [Fact]
    public void An_attention_that_is_the_mlp_leaves_a_way_that_mixes_positions()
    {
        using var model = new ForeignModel("neox-16");
        model.SiteNames.Remove(Mlp0);
        model.SiteNames[Attn0] = Mlp0;
        model.Refused(Attn0, "does not hold all of the attention", "mixes token positions");
    }

    [Fact]
    public void A_further_summand_that_is_no_site_is_refused()
    {
        using var model = new ForeignModel("llama-17");
        var add = model.Producer("blocks.1.hook_resid_post");
        var x = add.Input[0];
        model.Insert(add, "Tanh", [Pre1], "more");
        model.Insert(add, "Add", [x, "more"], "sum");
        add.Input[0] = "sum";
        model.Refused("blocks.1.hook_resid_post", "is more than the sum of the sites before it", "Tanh 'more'");
    }

    [Theory, InlineData("resid_pre,attn_out,resid_post"), InlineData("resid_pre,mlp_out,resid_post"), InlineData("resid_pre"),
        InlineData("attn_out"), InlineData("mlp_out,resid_post"), InlineData("attn_out,mlp_out,resid_post")]
    public void Any_part_of_the_sites_does(string kinds)
    {
        foreach (var name in (string[])["gpt2-13", "neox-16"])
        {
            using var model = new ForeignModel(name);
            foreach (var site in model.SiteNames.Select(s => s.Key)
                .Where(s => !kinds.Split(',').Any(k => s.EndsWith(k, StringComparison.Ordinal)))
                .ToList())
            {
                model.SiteNames.Remove(site);
            }
            Assert.Equal(model.SiteNames.Select(s => s.Key), model.Export().Sites);
        }
    }

    [Fact]
    public void A_tensor_that_leads_nowhere_is_refused()
    {
        using var model = new ForeignModel("llama-17");
        model.Insert(model.Producer("logits"), "Neg", [Mlp0], "aside");
        model.SiteNames[Mlp0] = "aside";
        model.Refused(Mlp0, "'aside'", "read by nothing that leads to the logits");
    }

    [Fact]
    public void Operators_without_a_gradient_rule_are_named_with_their_place()
    {
        using var model = new ForeignModel("gpt2-13");
        foreach (var node in model.Graph.Graph.Node)
        {
            node.OpType = node.OpType switch { "Softmax" => "Hardmax", "Tanh" => "Softsign", var type => type };
        }
        model.Refused(model.OnnxPath, "Hardmax '/model/h.0/attn/Softmax'",
            $"between blocks.0.hook_resid_pre and {Attn0} has no gradient rule", "without one are Hardmax, Softsign");
    }

    [Fact]
    public void An_operator_that_nothing_is_known_of_is_named()
    {
        using var model = new ForeignModel("gpt2-13");
        model.Producer("/model/h.0/attn/Softmax_output_0").OpType = "Sphericalmax";
        model.Refused(model.OnnxPath, "Sphericalmax '/model/h.0/attn/Softmax'");
    }

    [Theory, InlineData(12, "operator set 12", "opset_version"), InlineData(99, "operator set 99", "opset_version")]
    public void An_operator_set_too_old_or_unknown_is_refused(int version, params string[] words)
    {
        using var model = new ForeignModel("gpt2-13");
        model.Graph.OpsetImport[0].Version = version;
        model.Refused([model.OnnxPath, .. words]);
    }

    [Fact]
    public void An_operator_of_another_domain_is_refused_by_name()
    {
        using var model = new ForeignModel("gpt2-17");
        var node = model.Graph.Graph.Node.First(n => n.OpType == "LayerNormalization");
        (node.OpType, node.Domain) = ("SkipGroupNorm", "com.microsoft");
        model.Refused("SkipGroupNorm", "com.microsoft", "without graph optimisation");
    }

    [Fact]
    public void Branches_and_sequences_are_refused_by_name()
    {
        using var model = new ForeignModel("gpt2-17");
        var node = model.Graph.Graph.Node.First(n => n.OpType == "Squeeze");
        node.OpType = "If";
        node.Attribute.Add(
            new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = new GraphProto() });
        model.Refused($"If '{node.Name}'", "branch or loop");
        node.Attribute.Clear();
        node.OpType = "SequenceAt";
        model.Refused($"SequenceAt '{node.Name}'", "sequence of tensors");
    }

    [Theory, InlineData("past_key_values.0.key", "has no shape", "use_cache=False"),
        InlineData("cache", "cache of earlier tokens", "use_cache=False", "\"inputs\": {\"cache\": \"past_key_values\"}"),
        InlineData("pixels", "input 'pixels'", "token ids only", "\"inputs\": {\"pixels\": MEANING}")]
    public void An_input_for_which_no_value_is_known_is_refused(string name, params string[] words)
    {
        using var model = new ForeignModel("llama-17");
        var add = model.Producer("blocks.1.hook_resid_post");
        model.Graph.Graph.Input.Add(new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } }
        });
        model.Insert(add, "Add", [add.Input[0], name], "with input");
        add.Input[0] = "with input";
        model.Refused([model.OnnxPath, .. words]);
    }

    [Theory, InlineData(0), InlineData(1)]
    public void A_fixed_axis_of_the_tokens_is_refused(int axis)
    {
        using var model = new ForeignModel("gpt2-17");
        model.Graph.Graph.Input[0].Type.TensorType.Shape.Dim[axis] = new TensorShapeProto.Types.Dimension { DimValue = 6 };
        model.Refused("'input_ids'", "[batch, position] of any size", "dynamic_axes");
    }

    [Fact]
    public void A_length_that_the_exporter_wrote_into_the_graph_is_refused()
    {
        using var model = new ForeignModel("neox-16");
        var reshape = model.Graph.Graph.Node.First(n => n.OpType == "Reshape");
        model.Graph.Graph.Initializer.Add(new TensorProto(Constants.Of([-1L, 6, 2, 12], 4)) { Name = "six" });
        reshape.Input[1] = "six";
        model.Refused("has shape", "dynamic_axes");
    }

    [Fact]
    public void Tokens_and_logits_that_cannot_be_told_are_asked_for()
    {
        using var model = new ForeignModel("gpt2-17");
        model.Sites["logits"] = "scores";
        model.Refused(model.OnnxPath, "no output 'scores'", "its outputs are logits");
        model.Sites.Remove("logits");
        model.Sites["tokens"] = "ids";
        model.Refused("tokens is 'ids'", "its inputs are input_ids");
    }

    [Fact]
    public void A_context_that_cannot_be_told_is_asked_for()
    {
        using var model = new ForeignModel("llama-17");
        model.Sites.Remove("n_ctx");
        model.Refused(model.OnnxPath, "how many tokens", "\"n_ctx\"");
    }
}
