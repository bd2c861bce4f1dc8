using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Small files that ask for more axes, nodes or bytes than any model has:
/// each is refused by what it asks for, before anything is computed.</summary>
public sealed class HostileGraphTests
{
    [Fact]
    public void Functions_that_call_functions_end_at_the_most_nodes()
    {
        using var model = new SketchedModel(g => g.Node("y = F0(x)"));
        model.Node("y").Domain = "local";
        model.Model.OpsetImport.Add(new OperatorSetIdProto { Domain = "local", Version = 1 });
        for (var i = 0; i < 28; i++)
        {
            var function = new FunctionProto
            {
                Name = $"F{i}",
                Domain = "local",
                Input = { "a" },
                Output = { "b" },
                OpsetImport = { new OperatorSetIdProto { Version = 20 } }
            };
            function.Node.Add(new NodeProto { OpType = $"F{i + 1}", Domain = "local", Input = { "a" }, Output = { "m" } });
            function.Node.Add(new NodeProto { OpType = $"F{i + 1}", Domain = "local", Input = { "m" }, Output = { "b" } });
            model.Model.Functions.Add(function);
        }
        model.Model.Functions.Add(new FunctionProto { Name = "F28", Domain = "local", Input = { "a" }, Output = { "a" } });
        model.Refused("more than 50,000 nodes", "function 'F2");
    }

    [Fact]
    public void More_nodes_than_any_model_has_are_refused_and_fewer_are_walked_without_recursion()
    {
        using var deep = new SketchedModel(g => Chain(g, GraphCheck.MostNodes, "Tanh"));
        deep.Refused("more than 50,000 nodes");
        using var allowed = new SketchedModel(g => Chain(g, 20_000, "Tanh"));
        allowed.Write();
        var model = OnnxFile.Read(allowed.OnnxPath);
        // a site is three operators, the logits have a name of their own
        Assert.Equal(20_002,
            ForeignGraph.Adopt(model, SiteMap.Read(allowed.Options.SitesFile), allowed.OnnxPath, new ForeignWeights(allowed.OnnxPath))
                .Graph.Ops().Count - 4);
        Assert.True(Fixed(100_000).IsFixed);
    }

    [Fact]
    public void A_node_reads_and_yields_as_many_tensors_as_can_be()
    {
        var many = string.Join(", ", Enumerable.Repeat("x", GraphCheck.MostTensors));
        using var wide = new SketchedModel(g => g.Node($"y = Sum({many})"));
        wide.Refused("Sum 'node ", "reads and yields 2,049 tensors; 2,048 is the most");
        using var parted = new SketchedModel(g =>
            g.Node($"{string.Join(", ", Enumerable.Range(0, GraphCheck.MostTensors).Select(i => $"o{i}"))} = Split(x)", ("axis", 2))
                .Node("y = Tanh(o0)"));
        parted.Refused("Split 'node ", "2,049 tensors");
        // each alone would do; taken apart, they are more nodes than are read again
        using var sums = new SketchedModel(g =>
        {
            var some = string.Join(", ", Enumerable.Repeat("x", 2000));
            for (var i = 0; i < 30; i++) g.Node($"s{i} = Sum({some})").Node($"t{i} = Add({(i == 0 ? "x" : $"t{i - 1}")}, s{i})");
            return g.Node("y = Tanh(t29)");
        });
        sums.Refused("more than 50,000 nodes once its operators are taken apart");
    }

    [Fact]
    public void A_name_of_any_length_makes_a_message_of_one_line()
    {
        using var model = new SketchedModel(g => g.Node("y = Nonsense(x)"));
        model.Node("y").Name = new string('n', 100_000);
        model.Write();
        Assert.InRange(Assert.Throws<BundleException>(() => ForeignBundleWriter.Write(model.Options)).Message.Length, 200, 1000);
    }

    [Fact]
    public void A_long_row_of_biases_is_counted_once()
    {
        // each addition of a constant may be the rest of a site: asked for one by one, that doubles with each
        using var model = new SketchedModel(g =>
        {
            g.Weights("b", 8).Weights("M", 8, 8).Node("m = MatMul(x, M)");
            for (var i = 0; i < 200; i++) g.Node($"m{i} = Add({(i == 0 ? "m" : $"m{i - 1}")}, b)");
            return g.Node("y = Add(x, m199)");
        });
        model.Sites["sites"]!["blocks.0.hook_mlp_out"] = "m";
        model.Sites["sites"]!["blocks.0.hook_resid_post"] = "y";
        var e = Assert.Throws<BundleException>(model.Export);
        Assert.Contains("adds a bias to it", e.Message);
    }

    [Theory]
    [InlineData("axis", "z = Softmax(x)")]
    [InlineData("axis", "z = LayerNormalization(x, scale)")]
    [InlineData("axis", "z = Concat(x, x)")]
    [InlineData("axis", "z = Gather(x, c1)")]
    [InlineData("axis", "z = Flatten(x)")]
    [InlineData("axis", "z, w = Split(x)")]
    public void An_axis_beyond_the_rank_is_named(string attribute, string node)
    {
        foreach (var axis in (int[])[3 + (node.Contains("Flatten") ? 1 : 0), -4, int.MinValue, int.MaxValue])
        {
            using var model = new SketchedModel(g => Numbers(g).Weights("scale", 8).Node(node, (attribute, axis)).Node("y = Add(x, z)"));
            model.Refused($"{node.Split('=', '(')[1].Trim()} 'node ", $"axis {axis} is beyond the 3 axes");
        }
    }

    [Theory, InlineData("Unsqueeze"), InlineData("Squeeze"), InlineData("ReduceSum")]
    public void Axes_given_as_an_input_are_held_to_the_rank_too(string type)
    {
        using var model = new SketchedModel(g => g.Ints("axes", 70).Node($"z = {type}(x, axes)").Node("y = Add(x, z)"));
        model.Refused($"{type} 'node ", "axis 70 is beyond the ");
    }

    [Fact]
    public void Tensors_have_no_more_axes_than_can_be()
    {
        using var doubling = new SketchedModel(g =>
        {
            g.Ints("i0", [1, 1], 0);
            for (var i = 0; i < 40; i++) g.Node($"i{i + 1} = Gather(i{i}, i{i})");
            return g.Node("f = Cast(i40)", ("to", DataType.Float)).Node("r = ReduceSum(f)", ("keepdims", 0)).Node("y = Add(x, r)");
        });
        doubling.Refused("Gather 'node ", "axes; 64 is the most");
        using var shaped = new SketchedModel(g => g.Node("s = Cast(emb)", ("to", DataType.Int64))
            .Ints("flat", -1)
            .Node("t = Reshape(s, flat)")
            .Node("z = Reshape(x, t)")
            .Node("y = Add(x, z)"));
        shaped.Refused("Reshape 'node ", "a tensor of 2056 axes; 64 is the most");
    }

    [Theory]
    [InlineData(new long[] { 1L << 62, 4 }, "no file can hold")]
    [InlineData(new long[] { -1, 8 }, "no file can hold")]
    [InlineData(new long[] { 1L << 30, 8 }, "has 32 bytes where its shape needs 34359738368")]
    public void A_constant_has_the_numbers_that_its_shape_claims(long[] dims, string what)
    {
        using var model = new SketchedModel(g => g.Weights("k", 8).Node("y = Add(x, k)"));
        var k = model.Model.Graph.Initializer.First(t => t.Name == "k");
        k.Dims.Clear();
        k.Dims.AddRange(dims);
        model.Refused("tensor 'k'", what);
    }

    [Fact]
    public void Sparse_tensors_and_graphs_inside_nodes_are_refused_by_name()
    {
        using var model = new SketchedModel(g => g.Node("y = Tanh(x)"));
        model.Model.Graph.SparseInitializer.Add(new SparseTensorProto { Dims = { 1L << 40 } });
        model.Refused("sparse tensors");
        model.Model.Graph.SparseInitializer.Clear();
        model.Node("y").Attribute
            .Add(new AttributeProto { Name = "body", G = new GraphProto(), Type = AttributeProto.Types.AttributeType.Graph });
        model.Refused("Tanh 'node ", "has a branch or loop inside");
    }

    [Theory]
    [InlineData("z = Reshape(x)"), InlineData("z = MatMul(x)"), InlineData("z = Gather()"), InlineData("z = Where(x, x)"),
        InlineData("z = Add(x)"), InlineData("z = Add(x, )"), InlineData("z = LayerNormalization(x)"), InlineData("z = Transpose(x)"),
        InlineData("z = Cast()"), InlineData("z = Slice(x, c1)"), InlineData("z = Clip()")]
    [InlineData("z = ConstantOfShape()"), InlineData("z = Einsum()"), InlineData("z = Attention(x)"), InlineData("z = RotaryEmbedding(x)"),
        InlineData("z = Range(a)"), InlineData("z = Concat()"), InlineData("z = OneHot(x)")]
    public void An_operator_that_lacks_an_input_is_named(string node)
    {
        using var model = new SketchedModel(g => Numbers(g).Node(node, ("perm", new[] { 0, 7 })).Node("y = Add(x, z)"), opset: 23);
        model.Refused($"{node.Split('=', '(')[1].Trim()} 'node ");
    }

    [Fact]
    public void A_pointer_of_git_lfs_in_place_of_the_graph_or_of_its_data_is_named()
    {
        const string Pointer = "version https://git-lfs.github.com/spec/v1\noid "
            + "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 123456789\n";
        using var model = new SketchedModel(g => g.Weights("k", 8).Node("y = Add(x, k)"));
        model.Write();
        File.WriteAllText(model.OnnxPath, Pointer);
        Assert.Contains("is a Git LFS pointer", Assert.ThrowsAny<Exception>(() => ForeignBundleWriter.Write(model.Options)).Message);
        var at = model.Model.Graph.Initializer.ToList().FindIndex(t => t.Name == "emb");
        model.Model.Graph.Initializer[at] = new TensorProto(Constants.External(DataType.Float, [257, 8], "model.onnx_data", 0, 8224))
        {
            Name = "emb"
        };
        model.Write();
        File.WriteAllText(Path.Combine(model.Source, "model.onnx_data"), Pointer);
        Assert.Contains("model.onnx_data is a Git LFS pointer",
            Assert.Throws<BundleException>(() => ForeignBundleWriter.Write(model.Options)).Message);
    }

    [Fact]
    public void Data_behind_links_are_read_as_the_hubs_cache_keeps_them()
    {
        using var model = new SketchedModel(g => g.Weights("k", 8).Node("y = Add(x, k)"));
        using var blobs = new TemporaryDirectory();
        var emb = model.Model.Graph.Initializer.First(t => t.Name == "emb");
        Directory.CreateDirectory(model.Source);
        File.WriteAllBytes(blobs["blob"], System.Runtime.InteropServices.MemoryMarshal.AsBytes(emb.FloatData.ToArray().AsSpan()).ToArray());
        File.CreateSymbolicLink(Path.Combine(model.Source, "model.onnx_data"), blobs["blob"]);
        model.Model.Graph.Initializer[model.Model.Graph.Initializer.IndexOf(emb)] =
            new TensorProto(Constants.External(DataType.Float, [257, 8], "model.onnx_data", 0, 8224)) { Name = "emb" };
        Assert.Equal(0, AdoptionCheck.Require(model.Options, model.Export()));
    }

    [Fact]
    public void A_bundles_own_graph_is_held_to_the_same_rules()
    {
        using var model =
            new SketchedModel(g => g.Weights("scale", 8).Node("n = LayerNormalization(x, scale)", ("axis", -1)).Node("y = Add(x, n)"));
        model.Export();
        var path = Path.Combine(model.Bundle, "model.onnx");
        var sound = ModelProto.Parser.ParseFrom(File.ReadAllBytes(path));
        void Refused(Action<GraphProto> damage, params string[] words)
        {
            var damaged = sound.Clone();
            damage(damaged.Graph);
            File.WriteAllBytes(path, damaged.ToByteArray());
            BundleSeal.Renew(model.Bundle);
            var e = Assert.Throws<BundleException>(() => ModelBundle.Open(model.Bundle).WithoutInterventions(batch: 1));
            Assert.DoesNotContain('\n', e.Message);
            Assert.All([path, .. words], w => Assert.Contains(w, e.Message));
        }
        Refused(g => g.Node.First(n => n.OpType == "LayerNormalization").Attribute.First(a => a.Name == "axis").I = -67108865,
            "LayerNormalization '", "axis -67108865 is beyond the 3 axes");
        Refused(g => g.Node.First(n => n.OpType == "Add" && n.Output[0].StartsWith("m/", StringComparison.Ordinal)).OpType = "Nonsense",
            "how much Nonsense '");
        Refused(g => g.Node.First(n => n.OpType == "LayerNormalization").Domain = "evil", "of domain evil");
        Refused(g => g.Initializer.First(Constants.IsExternal).ExternalData.First(e => e.Key == "location").Value = "../../secret",
            "not in the model's directory");
        Refused(g => g.Initializer.First(Constants.IsExternal).Dims[0] = 1L << 40, "has ");
    }

    internal static GraphSketch Numbers(GraphSketch g) =>
        g.Ints("s", 1L << 20, 1L << 20).Weights("one", 1).Weights("one2", 1, 1).Floats("two", [2], 0, 1)
            .Scalar("a", 0L).Scalar("b", 1L << 40).Scalar("c", 1L).Ints("c1", 0).Ints("pads", 0, 0, 1L << 20, 1L << 20);

    private static GraphSketch Chain(GraphSketch g, int n, string type)
    {
        for (var i = 0; i < n; i++) g.Node($"{(i == n - 1 ? "y" : $"c{i + 1}")} = {type}({(i == 0 ? "x" : $"c{i}")})");
        return g;
    }

    private static Value Fixed(int links)
    {
        var g = new GraphBuilder();
        var v = g.Scalar(1);
        for (var i = 0; i < links; i++) v = g.Identity(v, $"i{i}");
        return v;
    }
}
