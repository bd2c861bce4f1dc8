using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

public sealed class ImpliedProcessingTests : IDisposable
{
    private const string Centred = """{"model_from_pretrained_kwargs":{"center_writing_weights":true}}""",
        NotCentred = """{"model_from_pretrained_kwargs":{}}""";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Weights_are_centred_where_a_dictionary_was_trained_so()
    {
        Write("blocks.0.hook_resid_pre", Centred);
        Assert.Equal(new(false, true, false), Export().WeightProcessing);
        Assert.Equal(new(false, false, false), Export(o => o with { AsTrained = false }).WeightProcessing);
        Assert.Equal(new(true, true, false), Export(o => o with { FoldLayerNorm = true }).WeightProcessing);
    }

    [Fact]
    public void The_oldest_dictionaries_of_gpt2_were_trained_on_centred_weights_though_they_do_not_say_so()
    {
        // a cfg.json of gpt2-small-res-jb, but for its sizes
        var folder = Write("blocks.1.hook_resid_pre", "{}");
        File.WriteAllText(Path.Combine(folder, "cfg.json"), """
            {"model_name": "gpt2-small", "hook_point": "blocks.1.hook_resid_pre", "hook_point_layer": 1, "hook_point_head_index": null,
             "dataset_path": "Skylion007/openwebtext", "is_dataset_tokenized": false, "context_size": 128, "use_cached_activations": false,
             "d_in": 16, "d_sae": 24, "b_dec_init_method": "geometric_median", "device": "mps", "seed": 42, "dtype": "torch.float32",
             "l1_coefficient": 8e-05}
            """);
        var manifest = Export();
        Assert.Equal(new(false, true, false), manifest.WeightProcessing);
        Assert.True(Assert.Single(manifest.Dictionaries).PrependBos);
    }

    [Fact]
    public void Folding_and_the_unembedding_are_processed_where_a_dictionary_asks_for_it()
    {
        Write("blocks.0.hook_resid_pre", """{"model_from_pretrained_kwargs":{"fold_ln":true,"center_unembed":true}}""");
        Assert.Equal(new(true, false, true), Export().WeightProcessing);
    }

    [Fact]
    public void A_dictionary_that_says_nothing_asks_for_nothing()
    {
        Write("blocks.0.hook_resid_pre", "{}");
        Assert.Equal(new(false, false, false), Export().WeightProcessing);
    }

    [Fact]
    public void Dictionaries_that_want_different_models_are_refused_by_both_names_unless_the_user_decides()
    {
        Write("blocks.0.hook_resid_pre", Centred);
        Write("blocks.1.hook_resid_pre", NotCentred);
        BundleWriterTests.Refused<BundleException>(() => Export(),
            "blocks.0.hook_resid_pre was trained on a model with centred writing weights, that of blocks.1.hook_resid_pre on one without",
            "--not-as-trained");
        Assert.True(Export(o => o with { CenterWritingWeights = true }).WeightProcessing.CenterWritingWeights);
        Assert.False(Export(o => o with { AsTrained = false }).WeightProcessing.CenterWritingWeights);
    }

    [Theory, InlineData("blocks.1.hook_resid_pre", "layer_norm"), InlineData("blocks.1.attn.hook_z", "none")]
    public void What_does_not_see_the_mean_does_not_decide(string site, string normalization)
    {
        Write("blocks.0.hook_resid_pre", Centred);
        Write(site, NotCentred, normalization);
        Assert.True(Export().WeightProcessing.CenterWritingWeights);
    }

    [Fact]
    public void A_model_with_RMSNorm_is_not_centred_since_RMSNorm_reads_the_mean()
    {
        var centred = DictionaryConfig.Read(Path.Combine(Write("blocks.0.hook_resid_pre", Centred), SaeLensDictionary.ConfigFileName));
        var options = new ExportOptions("model", null, "bundle");
        Assert.False(ImpliedProcessing.Of(options, [centred], normIsRms: true).CenterWritingWeights);
        Assert.True(ImpliedProcessing.Of(options, [centred], normIsRms: false).CenterWritingWeights);
    }

    private BundleManifest Export(Func<ExportOptions, ExportOptions>? change = null)
    {
        var options = new ExportOptions(Random2.Checkpoint, [_directory["dictionaries"]], _directory["bundle"], Force: true);
        return BundleWriter.Write(change?.Invoke(options) ?? options);
    }

    private string Write(string site, string metadata, string normalization = "none")
    {
        var folder = _directory[$"dictionaries/{site}"];
        DictionaryFiles.Random(site, width: 16, features: 24, seed: 4).Write(folder);
        var path = Path.Combine(folder, SaeLensDictionary.ConfigFileName);
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        json["normalize_activations"] = normalization;
        foreach (var (key, value) in JsonNode.Parse(metadata)!.AsObject()) json["metadata"]![key] = value?.DeepClone();
        File.WriteAllText(path, json.ToJsonString());
        return folder;
    }
}
