using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Export;

/// <summary>Dictionaries of attn.hook_z get the z that they were trained on:
/// without the values' biases, of which LayerNorm's is one once it is folded (tests/references/goldens_values.py).</summary>
public sealed class HeadsAsTrainedTests : IDisposable
{
    private const string Site = "blocks.0.attn.hook_z";

    private static readonly string s_checkpoint = Path.Combine(GoldenCase.Root, "models", "random2-sites");

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_dictionaries_of_Kissane_et_al_read_z_after_TransformerLenss_whole_processing()
    {
        WriteKissane();
        Assert.Equal(new(true, false, false, true), Export().WeightProcessing);
        IsAs("whole");
    }

    [Theory]
    [InlineData("""{"fold_value_biases": true}""", "whole"),
        InlineData("""{"fold_value_biases": true, "fold_ln": true, "center_writing_weights": true, "center_unembed": true}""", "whole")]
    [InlineData("""{"fold_value_biases": true, "fold_ln": false}""", "values"), InlineData("""{"fold_value_biases": false}""", "none"),
        InlineData("""{"fold_value_biases": false, "fold_ln": true}""", "none")]
    public void A_cfg_json_says_which_z_it_was(string loading, string plan)
    {
        WriteSaeLens("a", Site, loading);
        Export();
        IsAs(plan);
    }

    /// <summary>Kept whole, effects of nodes are those of their edges: what was moved is moved for both.</summary>
    [Fact]
    public void Effects_are_conserved_on_the_model_that_is_so_processed()
    {
        WriteKissane();
        Export();
        using var golden = GoldenCase.Open("random2-values");
        using var model = LoadedModel.Open(_directory["bundle"], null, new RunContext(threads: 1));
        var graph = Random2Bundle.All(model, golden.Tokens);
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);
        Assert.Contains(graph.Nodes, n => n.Site.Name == Site && n is { IsError: false, Effect: not 0 });
    }

    [Fact]
    public void Two_that_read_different_z_are_refused_by_both_names_unless_the_user_decides()
    {
        WriteSaeLens("a", Site, """{"fold_value_biases": true}""");
        WriteSaeLens("b", "blocks.1.attn.hook_z", """{"fold_value_biases": true, "fold_ln": false}""");
        BundleWriterTests.Refused<BundleException>(() => Export(), Site, "blocks.1.attn.hook_z",
            "whose LayerNorm was folded before its value biases", "--fold-layernorm or --not-as-trained");
        Assert.True(Export(o => o with { FoldLayerNorm = true }).WeightProcessing.FoldLayernorm);
        Assert.False(Export(o => o with { AsTrained = false }).WeightProcessing.FoldValueBiases);
    }

    [Fact]
    public void A_dictionary_elsewhere_that_was_trained_with_LayerNorm_folded_does_not_take_its_bias_out_of_z()
    {
        WriteSaeLens("a", Site, """{"fold_value_biases": true, "fold_ln": false}""");
        WriteSaeLens("b", "blocks.0.hook_resid_pre", """{"fold_ln": true}""");
        Export();
        IsAs("values");
    }

    [Fact]
    public void Folding_changes_nothing_in_a_model_whose_norm_has_no_bias()
    {
        var heads = DictionaryConfig.Read(
            Path.Combine(WriteSaeLens("a", Site, """{"fold_value_biases": true}"""), SaeLensDictionary.ConfigFileName));
        var options = ImpliedProcessing.Of(new ExportOptions("model", null, "bundle"), [heads], normIsRms: true);
        Assert.Equal((true, false), (options.FoldValueBiases, options.FoldLayerNorm));
    }

    private void IsAs(string plan)
    {
        using var golden = GoldenCase.Open("random2-values");
        using var session = new PlainSession(_directory["bundle"]);
        var z = session.Run(golden.Tokens)[Site].Values;
        GoldenTests.Close(golden[$"{plan}/activation/{Site}"], z, 1e-5, $"{plan} z");
        var (features, _) = FormatFiles.Encode(Path.Combine(_directory["bundle"], "dictionaries", Site), z);
        FormatFiles.Close(golden[$"{plan}/features/{Site}"], features);
        foreach (var other in ((string[])["none", "whole", "values"]).Where(p => p != plan))
        {
            // the golden tells them apart
            Assert.Contains(golden[$"{other}/features/{Site}"].Zip(features), p => Math.Abs(p.First - p.Second) > 0.01);
        }
    }

    private BundleManifest Export(Func<ExportOptions, ExportOptions>? change = null)
    {
        var options = new ExportOptions(s_checkpoint, [_directory["dictionaries"]], _directory["bundle"], Force: true);
        return BundleWriter.Write(change?.Invoke(options) ?? options);
    }

    private string WriteSaeLens(string folder, string site, string loading)
    {
        var dictionary = DictionaryFiles.Read(Path.Combine(s_checkpoint, "dictionaries", Site));
        dictionary.Config["metadata"]!["hook_name"] = site;
        if (!site.EndsWith("hook_z", StringComparison.Ordinal)) dictionary.Config["reshape_activations"] = "none";
        dictionary.With("model_from_pretrained_kwargs", loading).Write(_directory[$"dictionaries/{folder}"]);
        return _directory[$"dictionaries/{folder}"];
    }

    private void WriteKissane()
    {
        var dictionary = DictionaryFiles.Read(Path.Combine(s_checkpoint, "dictionaries", Site));
        long d = dictionary.Width, n = dictionary.Features;
        var shapes = new Dictionary<string, long[]> { ["W_enc"] = [d, n], ["b_enc"] = [n], ["W_dec"] = [n, d], ["b_dec"] = [d] };
        TorchBytes.Write(_directory["dictionaries/gpt2-small_L0_Hcat_z_v9.pt"],
            shapes.ToDictionary(s => s.Key, s => (object)(s.Value, dictionary[s.Key])));
        var config = new JsonObject { ["act_name"] = Site, ["act_size"] = d, ["dict_size"] = n, ["model_name"] = "gpt2-small" };
        File.WriteAllText(_directory["dictionaries/gpt2-small_L0_Hcat_z_v9_cfg.json"], config.ToJsonString());
    }
}
