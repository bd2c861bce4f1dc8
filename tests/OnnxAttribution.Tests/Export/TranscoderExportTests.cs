using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>Transcoders in bundles: where they are read from, what bundle.json says of them, and which sets are refused.</summary>
public sealed class TranscoderExportTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("transcoders-plt", "transcoder", "blocks.1.ln2.hook_normalized", 1, null)]
    [InlineData("transcoders-skip-topk", "topk_skip_transcoder", "blocks.1.mlp.hook_in", 1, null)]
    [InlineData("transcoders-saelens", "jumprelu_skip_transcoder", "blocks.1.mlp.hook_in", null, null)]
    [InlineData("transcoders-clt", "jumprelu_transcoder", "blocks.1.hook_resid_mid", 1, 2)]
    public void A_bundle_says_what_each_transcoder_reads_and_writes(string name, string architecture, string input, int? zero, int? layers)
    {
        using var golden = TranscoderGolden.Open(name);
        var manifest = BundleManifest.Read(golden.Bundle(_directory["bundle"]));
        var record = manifest.Dictionaries.Single(d => d.Output == "blocks.1.hook_mlp_out");
        Assert.Equal((architecture, input, zero, layers), (record.Architecture, record.Site, record.ZeroPositions, record.OutputLayers));
        Assert.Equal(3, manifest.FormatVersion);
        Assert.Contains("hook_embed", manifest.Sites);
        Assert.Contains(input, manifest.Sites);
        var bundle = ModelBundle.Open(_directory["bundle"]);
        Assert.DoesNotContain(bundle.Sites, bundle.HasDictionary);
    }

    [Theory, InlineData("transcoders-plt", false), InlineData("transcoders-plt", true), InlineData("transcoders-skip-topk", true),
        InlineData("transcoders-rms", true)]
    public void What_transcoders_read_is_cut_out_of_the_model_and_leaves_its_logits(string name, bool folded)
    {
        using var golden = TranscoderGolden.Open(name);
        BundleWriter.Write(new ExportOptions(golden.Checkpoint, null, _directory["bare"]));
        var options = new ExportOptions(golden.Checkpoint, [golden.Transcoders], _directory["bundle"]) { AsTrained = false };
        BundleWriter.Write(folded ? options with { FoldLayerNorm = true } : options);
        var plain = Logits(_directory["bare"], golden.Tokens);
        var cut = Logits(_directory["bundle"], golden.Tokens);
        Assert.Equal(plain.Length, cut.Length);
        for (var i = 0; i < plain.Length; i++) Assert.Equal(plain[i], cut[i], 1e-4f * plain.Max(Math.Abs));
    }

    [Fact]
    public void What_stands_before_gain_and_bias_is_the_stream_less_its_mean_over_its_scale()
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        using var model = LoadedModel.Open(golden.Bundle(_directory["bundle"]), null, new RunContext(threads: 1));
        using var run = ActivationCache.Of(model, golden.Tokens);
        var normalized = run["1.normalized"].ToArray();
        foreach (var row in normalized.Chunk(16))
        {
            Assert.Equal(0, row.Average(), 1e-5);
            Assert.Equal(1, row.Average(x => (double)x * x), 1e-2);
        }
    }

    [Theory]
    [InlineData("W_dec_1.safetensors")]
    [InlineData("W_enc_1.safetensors")]
    public void A_cross_layer_transcoder_of_which_a_layer_is_missing_is_refused_by_its_file(string file)
    {
        using var golden = TranscoderGolden.Open("transcoders-clt");
        var set = Copy(golden.Transcoders);
        File.Delete(Path.Combine(set, file));
        var message = Assert.Throws<CheckpointException>(() => Export(golden, set)).Message;
        Assert.Contains(file, message);
        Assert.Contains("is missing, and a cross-layer transcoder is one of all layers (0 to 2 here)", message);
    }

    [Fact]
    public void A_cross_layer_transcoder_without_its_last_layers_is_refused()
    {
        using var golden = TranscoderGolden.Open("transcoders-clt");
        var set = Copy(golden.Transcoders);
        foreach (var file in Directory.GetFiles(set, "W_*_2.safetensors")) File.Delete(file);
        Assert.Contains("writes 3 layers from 0 on, and there are files of layers 0 to 1",
            Assert.Throws<CheckpointException>(() => Export(golden, set)).Message);
    }

    [Fact]
    public void A_transcoder_without_its_mlp_is_refused_by_its_site()
    {
        using var golden = TranscoderGolden.Open("transcoders-rms");
        var set = Copy(golden.Transcoders);
        File.Move(Path.Combine(set, "layer_1.safetensors"), Path.Combine(set, "layer_7.safetensors"));
        BundleWriterTests.Refused<BundleException>(() => Export(golden, set),
            "layer_7.safetensors is a dictionary for 'blocks.7.ln2.hook_normalized'", "2 layers");
    }

    [Theory]
    [InlineData("feature_input_hook: \"ln2.hook_normalized\"", "feature_input_hook: hook_resid_pre", "feature_input_hook is")]
    [InlineData("model_kind: \"transcoder_set\"", "model_kind: crosscoder", "model_kind is 'crosscoder'")]
    [InlineData("scan: random", "activation: gelu", "activation is 'gelu'")]
    [InlineData("scan: random", "activation: relu", "has thresholds, and the activation of layer 0 is standard")]
    [InlineData("scan: random", "scan: [a, b]", "line 6 is neither a plain value nor a list of one value a line")]
    [InlineData("scan: random", "\tscan", "line 6 is no 'key: value'")]
    [InlineData("scan: random", "model_kind: x", "line 6 says 'model_kind' a second time")]
    public void A_config_that_would_be_read_otherwise_than_meant_is_refused(string line, string other, string problem)
    {
        using var golden = TranscoderGolden.Open("transcoders-rms");
        var config = Path.Combine(Copy(golden.Transcoders), "config.yaml");
        var text = File.ReadAllText(config);
        Assert.Contains(line, text);
        File.WriteAllText(config, text.Replace(line, other));
        Assert.Contains(problem, Assert.Throws<CheckpointException>(() => Export(golden, Path.GetDirectoryName(config)!)).Message);
    }

    [Fact]
    public void A_config_may_have_comments_quotes_and_lists()
    {
        var path = _directory["config.yaml"];
        File.WriteAllText(path, "# one\n---\na: 'x # y'  # two\nb: 7\nc: null\nlist:\n  - one\n  - \"two\"\nd: true\n");
        var json = YamlConfig.Read(path);
        Assert.Equal(("x # y", 7, true), (json.String("a")!, json.Integer("b", 0, 9)!.Value, json.Boolean("d")!.Value));
        Assert.False(json.Has("c"));
        Assert.Equal(["a", "b", "c", "list", "d"], json.Keys);
    }

    [Fact]
    public void Published_transcoders_of_gemma_scope_read_the_norm_before_the_mlp()
    {
        const string Path = "gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_71/params.npz";
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(_directory[Path])!);
        File.Copy(System.IO.Path.Combine(OnnxAttribution.Tests.Checkpoints.Formats.FormatFiles.Published,
            "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz"), _directory[Path]);
        using var found = OnnxAttribution.Tests.Checkpoints.Formats.FormatFiles.FindOne(_directory.Path);
        Assert.Equal(("blocks.3.ln2.hook_normalized", "blocks.3.hook_mlp_out", 1, DictionaryArchitecture.JumpRelu),
            (found.Config.HookName, found.Config.OutputHookName, found.Config.ZeroPositions, found.Config.Architecture));
    }

    [Fact]
    public void Transcoders_trained_behind_a_gain_are_not_read_on_a_model_whose_norms_are_folded()
    {
        using var golden = TranscoderGolden.Open("transcoders-skip-topk");
        BundleWriterTests.Refused<BundleException>(
            () => BundleWriter.Write(new ExportOptions(golden.Checkpoint, [golden.Transcoders], _directory["b"]) { FoldLayerNorm = true }),
            "reads what is behind their gain", "--not-as-trained");
    }

    /// <summary>Gemma 2 normalises what the MLP yields; llama adds it as it is.</summary>
    [Theory, InlineData("llama2", true), InlineData("gemma2", false)]
    public void What_is_written_before_a_norm_is_read_where_there_is_none(string model, bool isRead)
    {
        using var golden = TranscoderGolden.Open("transcoders-rms");
        var set = Copy(golden.Transcoders);
        var path = Path.Combine(set, "config.yaml");
        var text = File.ReadAllText(path);
        Assert.Contains("hook_mlp_out", text);
        File.WriteAllText(path, text.Replace("hook_mlp_out", "mlp.hook_out"));
        void Write() => BundleWriter.Write(
            new ExportOptions(RandomModels.Checkpoint(model), [set], _directory["b"]) { AsTrained = false });
        if (isRead) Write();
        else BundleWriterTests.Refused<BundleException>(Write, "writes mlp.hook_out, which a norm", "that write hook_mlp_out");
    }

    [Fact]
    public void A_config_of_saelens_says_where_a_transcoder_writes()
    {
        using var golden = TranscoderGolden.Open("transcoders-saelens");
        var set = Copy(golden.Transcoders);
        var path = Path.Combine(set, "layer_0", "cfg.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json["metadata"]!["hook_name_out"] = "blocks.1.hook_mlp_out";
        File.WriteAllText(path, json.ToJsonString());
        Assert.Contains("is of no MLP", Assert.Throws<CheckpointException>(() => Export(golden, set)).Message);
    }

    private string Copy(string from)
    {
        var to = _directory["set"];
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var path = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(file, path);
        }
        return to;
    }

    private void Export(TranscoderGolden golden, string set) =>
        BundleWriter.Write(new ExportOptions(golden.Checkpoint, [set], _directory["refused"]));

    private static float[] Logits(string bundle, int[] tokens)
    {
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 1));
        using var run = ActivationCache.Of(model, tokens);
        return run.Logits(tokens.Length - 1).ToArray();
    }
}
