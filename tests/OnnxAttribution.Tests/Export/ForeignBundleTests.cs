using System.Text.Json.Nodes;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>What a bundle of a foreign graph holds, and what kinds of graphs become one.</summary>
public sealed partial class ForeignBundleTests
{
    private static readonly int[] s_tokens = [256, 3, 200, 17, 3];

    [Fact]
    public void A_graph_by_hand_with_mask_positions_heads_and_a_function_becomes_a_bundle()
    {
        using var model = new ForeignModel("hand");
        var manifest = model.Export();
        Assert.Equal(("onnx", 1, 8, 2, 257, 24),
            (manifest.Architecture, manifest.NLayers, manifest.DModel, manifest.NHeads, manifest.DVocab, manifest.NCtx));
        Assert.Equal(["blocks.0.hook_resid_pre", "blocks.0.attn.hook_z", "blocks.0.hook_attn_out", "blocks.0.hook_resid_mid",
            "blocks.0.hook_mlp_out", "blocks.0.hook_resid_post"], manifest.Sites);
        Assert.Equal(["blocks.0.attn.hook_pattern"], manifest.Hooks);
        using var session = new PlainSession(model.Bundle);
        foreach (var (batch, length) in ((int, int)[])[(1, 5), (2, 24)])
        {
            var tokens = Enumerable.Range(0, batch * length).Select(i => i * 91 % 257).ToArray();
            var outputs = session.Run(tokens, null, batch);
            Assert.Equal([batch, 2, length, length], outputs["blocks.0.attn.hook_pattern"].Shape);
            Assert.Equal([batch, length, 8], outputs["blocks.0.attn.hook_z"].Shape);
            Close(Original(model.OnnxPath, tokens, batch), outputs["logits"].Values);
        }
    }

    [Theory, InlineData("resid,attn,mlp"), InlineData("resid,resid_mid,z,attn,mlp"), InlineData("z,mlp"), InlineData("resid_mid")]
    public void Its_effects_are_conserved(string sites)
    {
        using var foreign = new ForeignModel("hand");
        foreign.Export();
        using var model = LoadedModel.Open(foreign.Bundle, sites.Split(','), new RunContext(threads: 1));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            Assert.InRange(GraphFinder.Find(model, s_tokens, null,
                new GraphOptions(Estimator: estimator).Linear().KeepingAll()).ConservationViolation!.Value, 0, 1e-4);
        }
    }

    [Fact]
    public void Heads_in_front_of_positions_are_put_side_by_side()
    {
        using var model = new ForeignModel("hand");
        model.Export();
        using var behind = new ForeignModel("hand");
        behind.SiteNames["blocks.0.attn.hook_z"] = "z_heads";
        behind.Export();
        using var session = new PlainSession(model.Bundle);
        using var other = new PlainSession(behind.Bundle);
        Assert.Equal(session.Run(s_tokens)["blocks.0.attn.hook_z"].Values, other.Run(s_tokens)["blocks.0.attn.hook_z"].Values);
        Assert.Equal(session.Logits(s_tokens), other.Logits(s_tokens));
    }

    [Fact]
    public void Large_constants_of_the_file_lie_beside_the_graph_once()
    {
        using var model = new ForeignModel("gpt2-13");
        model.Export();
        var graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(model.Bundle, "model.onnx"))).Graph;
        Assert.All(graph.Initializer.Where(t => !Constants.IsExternal(t)), t => Assert.InRange(t.CalculateSize(), 0, 1200));
        var external = graph.Initializer.Where(Constants.IsExternal).ToList();
        Assert.NotEmpty(external);
        Assert.All(external, t => Assert.Equal("weights.bin", t.ExternalData[0].Value));
        var largest = model.Graph.Graph.Initializer.Max(t => t.RawData.Length);
        Assert.InRange(new FileInfo(Path.Combine(model.Bundle, "weights.bin")).Length, largest, model.Graph.CalculateSize());
    }

    [Fact]
    public void External_data_are_linked_where_they_lie_and_kept_in_their_folders()
    {
        using var model = new ForeignModel("gpt2-17");
        model.Write();
        var weights = model.Graph.Graph.Initializer.Where(t => t.RawData.Length > 200).ToList();
        Directory.CreateDirectory(Path.Combine(model.Source, "data"));
        foreach (var (i, file) in ((int, string)[])[(0, "data/first.bin"), (1, "second")])
        {
            using var stream = File.Create(Path.Combine(model.Source, file));
            stream.Write(new byte[64 * i]);
            foreach (var t in weights.Where((_, k) => k % 2 == i))
            {
                var placed = Constants.External(DataType.Float, [.. t.Dims], file, stream.Position, t.RawData.Length);
                t.RawData.WriteTo(stream);
                t.RawData = ByteString.Empty;
                t.DataLocation = TensorProto.Types.DataLocation.External;
                t.ExternalData.Add(placed.ExternalData);
            }
        }
        var manifest = model.Export();
        Assert.Equal(["data/first.bin", "model.onnx", "second", "merges.txt", "vocab.json"],
            manifest.Files.Keys.OrderBy(k => k.EndsWith("json") || k.EndsWith("txt")).ThenBy(k => k, StringComparer.Ordinal));
        using var whole = new ForeignModel("gpt2-17");
        whole.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(whole.Bundle);
        Assert.Equal(expected.Logits(s_tokens), session.Logits(s_tokens));
        using var opened = LoadedModel.Open(model.Bundle, null, new RunContext(threads: 1));
        var graph = GraphFinder.Find(opened, s_tokens, null, new GraphOptions().Linear().KeepingAll());
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);
    }

    [Fact]
    public void Numbers_written_as_a_list_are_read_as_those_written_as_bytes()
    {
        using var model = new ForeignModel("gpt2-17");
        foreach (var t in model.Graph.Graph.Initializer.Where(t => t.DataType == (int)DataType.Float))
        {
            t.FloatData.AddRange(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(t.RawData.Span).ToArray());
            t.RawData = ByteString.Empty;
        }
        var mask = model.Graph.Graph.Initializer.First(t => t.DataType == (int)DataType.Uint8);
        mask.Int32Data.AddRange(mask.RawData.Select(b => (int)b));
        mask.RawData = ByteString.Empty;
        model.Export();
        using var whole = new ForeignModel("gpt2-17");
        whole.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(whole.Bundle);
        Assert.Equal(expected.Logits(s_tokens), session.Logits(s_tokens));
    }

    [Fact]
    public void Constants_listed_as_inputs_and_tokens_of_int32_are_no_obstacle()
    {
        using var model = new ForeignModel("gpt2-17");
        model.Graph.Graph.Input[0].Type.TensorType.ElemType = (int)DataType.Int32;
        foreach (var t in model.Graph.Graph.Initializer)
        {
            model.Graph.Graph.Input.Add(new ValueInfoProto
            {
                Name = t.Name,
                Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = t.DataType } }
            });
        }
        model.Export();
        using var whole = new ForeignModel("gpt2-17");
        whole.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(whole.Bundle);
        Assert.Equal(expected.Logits(s_tokens), session.Logits(s_tokens));
    }

    [Theory, InlineData(18), InlineData(20), InlineData(21), InlineData(25)]
    public void A_file_in_a_newer_operator_set_is_read(int version)
    {
        using var model = new ForeignModel("gpt2-17");
        model.Graph.OpsetImport[0].Version = version;
        model.Export();
        using var whole = new ForeignModel("gpt2-17");
        whole.Export();
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole.Bundle, "model.onnx")),
            File.ReadAllBytes(Path.Combine(model.Bundle, "model.onnx")));
    }

    [Fact]
    public void Context_heads_and_bos_come_from_the_graph_and_from_the_sites_file()
    {
        using var model = new ForeignModel("gpt2-13");
        model.Sites.Remove("n_ctx");
        model.Sites.Remove("n_heads");
        var manifest = model.Export();
        Assert.Equal((24, 4), (manifest.NCtx, manifest.NHeads));
        Assert.DoesNotContain("prepend_bos", File.ReadAllText(Path.Combine(model.Bundle, "bundle.json")));
        model.Sites["n_ctx"] = 20;
        model.Sites["prepend_bos"] = false;
        Assert.Equal(20, model.Export(o => o with { Force = true }).NCtx);
        using var opened = LoadedModel.Open(model.Bundle, null, new RunContext(threads: 1));
        Assert.False(opened.PrependsBos);
    }

    [Fact]
    public void Dictionaries_are_for_sites_that_the_file_names()
    {
        using var model = new ForeignModel("gpt2-13");
        model.Write();
        var folder = Path.Combine(model.Source, "dictionaries");
        DictionaryFiles.Random("blocks.0.hook_mlp_out", width: 8, features: 12, seed: 1).Write(Path.Combine(folder, "mine"));
        model.Export();
        using (var opened = LoadedModel.Open(model.Bundle, null, new RunContext(threads: 1)))
        {
            var graph = GraphFinder.Find(opened, s_tokens, null, new GraphOptions().Linear().KeepingAll());
            Assert.Contains(graph.Nodes, n => n is { IsError: false, Effect: not 0 });
            Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);
        }
        model.SiteNames.Remove("blocks.0.hook_mlp_out");
        var e = Assert.Throws<BundleException>(() => model.Export(o => o with { Force = true }));
        Assert.Contains("a dictionary for 'blocks.0.hook_mlp_out', which this model (2 layers) does not have as a site", e.Message);
    }

    [Fact]
    public void Dictionaries_of_centred_weights_are_refused_unless_they_are_wanted_all_the_same()
    {
        using var model = new ForeignModel("gpt2-17");
        var folder = Path.Combine(model.Source, "dictionaries", "mine");
        DictionaryFiles.Random("blocks.0.hook_mlp_out", width: 8, features: 12, seed: 1).Write(folder);
        var path = Path.Combine(folder, "cfg.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        config["metadata"]!["model_from_pretrained_kwargs"] = new JsonObject { ["center_writing_weights"] = true };
        File.WriteAllText(path, config.ToJsonString());
        model.Refused("centred writing weights", "before you export it", "--not-as-trained");
        Assert.Single(model.Export(o => o with { AsTrained = false }).Dictionaries);
    }

    [Fact]
    public void A_bundle_that_is_there_is_replaced_on_demand_only()
    {
        using var model = new ForeignModel("gpt2-17");
        model.Export();
        Assert.Equal([Setting.Force], Assert.Throws<BundleException>(() => model.Export()).Settings);
        model.Export(o => o with { Force = true });
    }

    [Theory, InlineData("gpt2-13"), InlineData("llama-17"), InlineData("neox-16"), InlineData("hand"), InlineData("llama-past")]
    public void A_bundle_is_compared_with_the_graph_it_was_made_of(string name)
    {
        using var model = new ForeignModel(name);
        var manifest = model.Export();
        var options = new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Threads: 1);
        Assert.InRange(AdoptionCheck.Require(options, manifest, model.Bundle), 0, 1e-5f);
        // weights that changed are weights of another model
        var weights = Path.Combine(model.Bundle, "weights.bin");
        File.WriteAllBytes(weights, Array.ConvertAll(File.ReadAllBytes(weights), b => (byte)(b ^ 0x10)));
        Assert.Contains("differ from the graph's",
            Assert.Throws<BundleException>(() => AdoptionCheck.Require(options, manifest, model.Bundle)).Message);
    }

    // to float32's rounding, of the largest
    private static void Close(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.InRange(actual[i], expected[i] - (1e-5f * largest), expected[i] + (1e-5f * largest));
        }
    }

    // the file itself, with what a prompt without padding has in its other inputs
    private static float[] Original(string path, int[] tokens, int batch)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(path, options);
        long[] shape = [batch, tokens.Length / batch];
        OrtValue Input(Func<int, long> of) =>
            OrtValue.CreateTensorValueFromMemory(Enumerable.Range(0, tokens.Length).Select(of).ToArray(), shape);
        using OrtValue ids = Input(i => tokens[i]), mask = Input(_ => 1), positions = Input(i => i % shape[1]);
        using var run = new RunOptions();
        using var results = session.Run(run, ["input_ids", "attention_mask", "position_ids"], [ids, mask, positions], ["logits"]);
        return results[0].GetTensorDataAsSpan<float>().ToArray();
    }
}
