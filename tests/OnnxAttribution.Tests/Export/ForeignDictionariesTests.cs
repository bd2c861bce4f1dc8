using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Export;

/// <summary>Dictionaries of other formats in a bundle of random2 (2 layers, width 16).</summary>
public sealed class ForeignDictionariesTests : IDisposable
{
    private static readonly int[] s_tokens = [256, 40, 41, 42, 99];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_bundle_of_several_folders_and_formats_is_exported_and_graphed()
    {
        WriteOpenAi("openai/resid_post_mlp_v5_32k/autoencoders/0.pt", 1);
        WriteOpenAi("openai/resid_post_attn_v5_32k/autoencoders/1.pt", 2);
        WriteOpenAi("openai/resid_delta_attn_v5_32k/autoencoders/1.pt", 3);
        DictionaryFiles.Random("blocks.1.hook_mlp_out", width: 16, features: 24, seed: 4).Write(_directory["saelens/deep/down/mlp"]);
        var manifest = Export([_directory["openai"], _directory["saelens"]]);
        Assert.Equal(
        [
            "blocks.1.hook_resid_pre dictionaries/blocks.0.hook_resid_post topk 5 layer_norm",
            "blocks.1.hook_attn_out dictionaries/blocks.1.hook_attn_out topk 5 layer_norm",
            "blocks.1.hook_resid_mid dictionaries/blocks.1.hook_resid_mid topk 5 layer_norm",
            "blocks.1.hook_mlp_out dictionaries/blocks.1.hook_mlp_out standard  none",
        ], manifest.Dictionaries.Select(d => $"{d.Site} {d.Path} {d.Architecture} {d.K} {d.NormalizeActivations}"));
        Assert.DoesNotContain(Directory.EnumerateFiles(_directory["bundle"], "*.part", SearchOption.AllDirectories), _ => true);
        Assert.Contains("\"file\": \"resid_post_mlp_v5_32k/autoencoders/0.pt\"",
            File.ReadAllText(Path.Combine(_directory["bundle"], "dictionaries", "blocks.0.hook_resid_post", "cfg.json")));
        using var model = LoadedModel.Open(_directory["bundle"], null, new RunContext(threads: 1));
        var graph = Random2Bundle.All(model, s_tokens);
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);
        foreach (var site in model.Selected) Assert.Contains(graph.Nodes, n => n.Site == site && n is { IsError: false, Effect: not 0 });
    }

    [Fact]
    public void An_export_into_the_checkpoint_converts_beside_the_source_and_again_when_it_is_repeated()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        WriteOpenAi("checkpoint/dictionaries/resid_post_mlp_v5_32k/autoencoders/0.pt", 1);
        BundleWriter.Write(new ExportOptions(checkpoint, null, checkpoint));
        var once = File.ReadAllBytes(Path.Combine(checkpoint, "dictionaries", "blocks.0.hook_resid_post", "sae_weights.safetensors"));
        WriteOpenAi("checkpoint/dictionaries/resid_post_mlp_v5_32k/autoencoders/0.pt", 2);
        var record = Assert.Single(BundleWriter.Write(new ExportOptions(checkpoint, null, checkpoint)).Dictionaries);
        // the older bundle's stays until the new bundle is whole, and goes then
        Assert.StartsWith("dictionaries/blocks.0.hook_resid_post.", record.Path);
        Assert.False(Directory.Exists(Path.Combine(checkpoint, "dictionaries", "blocks.0.hook_resid_post")));
        Assert.NotEqual(once, File.ReadAllBytes(Path.Combine(checkpoint, record.Path, "sae_weights.safetensors")));
        // without its source it stays as it is
        Directory.Delete(Path.Combine(checkpoint, "dictionaries", "resid_post_mlp_v5_32k"), recursive: true);
        Assert.Equal(record, Assert.Single(BundleWriter.Write(new ExportOptions(checkpoint, null, checkpoint)).Dictionaries));
    }

    [Fact]
    public void Two_dictionaries_of_one_site_are_refused_by_both_names()
    {
        WriteOpenAi("a/resid_post_mlp_v5_32k/autoencoders/0.pt", 1);
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width: 16, features: 24, seed: 4).Write(_directory["b/mine"]);
        BundleWriterTests.Refused<BundleException>(() => Export([_directory["a"], _directory["b"]]),
            _directory["a/resid_post_mlp_v5_32k/autoencoders/0.pt"], _directory["b/mine"],
            "are both dictionaries of blocks.1.hook_resid_pre");
    }

    [Fact]
    public void A_dictionary_of_another_models_width_or_depth_is_refused()
    {
        WriteOpenAi("a/resid_post_mlp_v5_32k/autoencoders/0.pt", 1, width: 12);
        BundleWriterTests.Refused<BundleException>(() => Export([_directory["a"]]), _directory["a/resid_post_mlp_v5_32k/autoencoders/0.pt"],
            "width 12, the model has width 16");
        WriteOpenAi("b/resid_post_mlp_v5_32k/autoencoders/5.pt", 1);
        BundleWriterTests.Refused<BundleException>(() => Export([_directory["b"]]), "5.pt",
            "'blocks.5.hook_resid_post', which this model (2 layers) does not have");
    }

    [Fact]
    public void A_folder_that_holds_no_dictionary_is_refused_and_an_empty_one_is_not()
    {
        Directory.CreateDirectory(_directory["none"]);
        Assert.Empty(Export([_directory["none"]]).Dictionaries);
        File.WriteAllText(Path.Combine(_directory["none"], "readme.txt"), "");
        BundleWriterTests.Refused<BundleException>(() => Export([_directory["none"]]), _directory["none"],
            "holds no dictionary of a format that is known, only files such as readme.txt");
    }

    [Fact]
    public void A_conversion_that_fails_leaves_no_bundle()
    {
        WriteOpenAi("a/resid_post_mlp_v5_32k/autoencoders/0.pt", 1, bad: float.PositiveInfinity);
        BundleWriterTests.Refused<CheckpointException>(() => Export([_directory["a"]]), "0.pt", "what becomes W_enc has a NaN or infinity");
        Assert.False(File.Exists(Path.Combine(_directory["bundle"], "bundle.json")));
    }

    private BundleManifest Export(string[] dictionaries) =>
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, dictionaries, _directory["bundle"], Force: true));

    private void WriteOpenAi(string path, int seed, int width = 16, float? bad = null)
    {
        const int features = 24;
        var random = new Random(seed);
        object Draw(params long[] shape) =>
            (shape, Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(_ => (random.NextSingle() * 2) - 1).ToArray());
        var encoder = ((long[], float[]))Draw(features, width);
        if (bad is { } value) encoder.Item2[7] = value;
        if (File.Exists(_directory[path])) File.Delete(_directory[path]);
        TorchBytes.Write(_directory[path], new Dictionary<string, object>
        {
            ["pre_bias"] = Draw(width),
            ["encoder.weight"] = encoder,
            ["latent_bias"] = Draw(features),
            ["decoder.weight"] = Draw(width, features),
            ["activation"] = "TopK",
            ["activation_state_dict"] = new Dictionary<string, object> { ["k"] = 5L, ["postact_fn"] = "ReLU" },
        });
    }
}
