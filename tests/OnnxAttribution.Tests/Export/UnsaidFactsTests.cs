using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>What the files of dictionaries lack is said, with the key that takes it;
/// what other files or the table of releases say is read.</summary>
public sealed class UnsaidFactsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly List<string> _said = [];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_missing_factor_of_the_input_is_said_once_for_all_and_read_as_1()
    {
        Write("blocks.0.hook_resid_pre", "expected_average_only_in");
        Write("blocks.1.hook_mlp_out", "expected_average_only_in");
        Write("blocks.1.hook_attn_out", "none");
        Export();
        var line = Assert.Single(_said);
        Assert.StartsWith($"{_directory["dictionaries/blocks.0.hook_resid_pre"]} and 1 more: "
            + "normalize_activations is 'expected_average_only_in' and norm_scaling_factor", line);
        Assert.Contains("is missing; it is read as 1. Write the number of its training, \"norm_scaling_factor\": NUMBER, in cfg.json",
            line);
    }

    [Theory, InlineData("metadata"), InlineData("scaler")]
    public void A_factor_that_is_given_is_read_and_nothing_is_said(string where)
    {
        var folder = Write("blocks.0.hook_resid_pre", "expected_average_only_in",
            where == "metadata" ? d => d.With("norm_scaling_factor", "1.2") : null);
        if (where == "scaler") File.WriteAllText(Path.Combine(folder, "activation_scaler.json"), """{"scaling_factor": 1.2}""");
        Export();
        Assert.Empty(_said);
        using var bundled = SaeLensDictionary.Open(Path.Combine(_directory["bundle"], "dictionaries", "blocks.0.hook_resid_pre"));
        Assert.Equal(1.2, bundled.Config.NormScalingFactor);
        Assert.Equal(where == "scaler",
            BundleManifest.Read(_directory["bundle"]).Files.ContainsKey("dictionaries/blocks.0.hook_resid_pre/activation_scaler.json"));
    }

    [Fact]
    public void A_scaler_that_was_folded_says_nothing()
    {
        File.WriteAllText(Path.Combine(Write("blocks.0.hook_resid_pre", "none"), "activation_scaler.json"), """{"scaling_factor": null}""");
        Export();
        Assert.Empty(_said);
    }

    [Theory, InlineData(0, 1.049317316132615), InlineData(8, 0.9123762783479742), InlineData(11, 0.2851548652550073)]
    public void The_factors_of_gpt2_small_mlp_tm_are_SAELenss(int layer, double factor)
    {
        var config = Config($"blocks.{layer}.hook_mlp_out", 24576);
        Assert.Equal((factor, "gpt2-small-mlp-tm"), (config.NormScalingFactor, config.FromRelease?.Release));
        Assert.Contains($"x: norm_scaling_factor is missing; it is read as the table of releases has it for gpt2-small-mlp-tm",
            Assert.Single(UnsaidFacts.Of([("x", config)], new ExportOptions("", null, ""), hasValueBiases: true)));
    }

    [Theory, InlineData("blocks.12.hook_mlp_out", 24576), InlineData("blocks.1.hook_resid_pre", 24576),
        InlineData("blocks.1.hook_mlp_out", 12288)]
    public void No_other_dictionary_gets_them(string site, int features)
    {
        var config = Config(site, features);
        Assert.Null(config.NormScalingFactor ?? (object?)config.FromRelease);
    }

    [Fact]
    public void That_the_values_biases_of_heads_are_not_said_is_said_of_models_that_have_some()
    {
        Write("blocks.0.attn.hook_z", "none");
        Export();
        Assert.Contains("model_from_pretrained_kwargs does not say fold_value_biases, so it is not known which hook_z it was trained on; "
            + "it is read with the values' biases", Assert.Single(_said));
        _said.Clear();
        Export(o => o with { FoldValueBiases = true });
        Assert.Contains("it is read without the values' biases", Assert.Single(_said));
        var heads = DictionaryConfig.Read(_directory["dictionaries/blocks.0.attn.hook_z/cfg.json"]);
        Assert.Empty(UnsaidFacts.Of([("x", heads)], new ExportOptions("", null, ""), hasValueBiases: false));
    }

    [Theory]
    [InlineData("jbloom/GPT2-Small-SAEs-Reformatted", "if this is a name on the Hugging Face hub, fetch it first")]
    [InlineData("no/such/folder", "give the folder that holds the dictionaries"),
        InlineData("./nothing", "give the folder that holds the dictionaries")]
    public void A_hubs_name_is_told_from_a_missing_folder(string given, string fix) =>
        BundleWriterTests.Refused<BundleException>(() =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [given], _directory["bundle"])),
            $"there is no directory {given}; ", fix);

    [Fact]
    public void A_file_in_place_of_a_folder_and_what_was_passed_over_are_named()
    {
        var folder = Write("blocks.0.hook_resid_pre", "none");
        var weights = Path.Combine(folder, "sae_weights.safetensors");
        BundleWriterTests.Refused<BundleException>(() =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [weights], _directory["bundle"])),
            $"{weights} is a file; give the folder that holds it");
        Directory.Delete(folder, recursive: true);
        File.WriteAllText(_directory["dictionaries/a.pt"], "no pickle");
        BundleWriterTests.Refused<BundleException>(() => Export(), "holds no dictionary of a format that is known, and passed over was ",
            "a.pt: is no zip archive");
        Write("blocks.0.hook_resid_pre", "none");
        Export();
        Assert.Contains("a.pt: is no zip archive", Assert.Single(_said));
    }

    private BundleManifest Export(Func<ExportOptions, ExportOptions>? change = null)
    {
        var options = new ExportOptions(Random2.Checkpoint, [_directory["dictionaries"]], _directory["bundle"], Force: true);
        return BundleWriter.Write(change?.Invoke(options) ?? options, CancellationToken.None, _said.Add);
    }

    private string Write(string site, string normalization, Func<DictionaryFiles, DictionaryFiles>? change = null)
    {
        var dictionary = DictionaryFiles.Random(site, width: 16, features: 24, seed: 4);
        dictionary.Config["normalize_activations"] = normalization;
        (change?.Invoke(dictionary) ?? dictionary).Write(_directory[$"dictionaries/{site}"]);
        return _directory[$"dictionaries/{site}"];
    }

    // as tommmcgrath/gpt2-small-mlp-out-saes has it
    private DictionaryConfig Config(string site, int features)
    {
        File.WriteAllText(_directory["cfg.json"], new JsonObject
        {
            ["model_name"] = "gpt2",
            ["model_class_name"] = "HookedTransformer",
            ["hook_point"] = site,
            ["hook_point_eval"] = "blocks.{layer}.attn.pattern",
            ["hook_point_head_index"] = null,
            ["context_size"] = 512,
            ["d_in"] = 768,
            ["d_sae"] = features,
            ["normalize_activations"] = "expected_average_only_in",
        }.ToJsonString());
        return DictionaryConfig.Read(_directory["cfg.json"]);
    }
}
