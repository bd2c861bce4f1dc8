using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;
using OnnxAttribution.Preflight;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Preflight;

/// <summary>A fault that is planted in a sound dictionary is found and named, and only this one;
/// the sound dictionary gives no finding.</summary>
public sealed class PlantedFaultTests : IDisposable
{
    private readonly CheckedDictionary _tiny = new();

    public void Dispose() => _tiny.Dispose();

    private Finding Only(DictionaryFiles dictionary, Fault fault, params string[] words) =>
        Only(CheckedDictionary.Tokens, dictionary, fault, words);

    private Finding Only(int tokens, DictionaryFiles dictionary, Fault fault, params string[] words)
    {
        var report = _tiny.Check(dictionary, tokens: tokens);
        Assert.True(report.Findings.Count == 1, $"{string.Join('\n', report.Findings.Select(f => f.Sentence))} {report.Sites[0]}");
        var finding = report.Findings[0];
        Assert.True(fault == finding.Fault, finding.Sentence);
        Assert.Equal((string)dictionary.Config["metadata"]!["hook_name"]!, finding.Site);
        Assert.All(words, word => Assert.True(finding.Sentence.Contains(word), finding.Sentence));
        return finding;
    }

    private static DictionaryFiles Trained(string site, Action<DictionaryFiles> change)
    {
        var files = CheckedDictionary.Trained(site);
        change(files);
        return files;
    }

    private static void Scale(float[] values, Func<int, float> by)
    {
        for (var i = 0; i < values.Length; i++) values[i] *= by(i);
    }

    // lengths of decoder rows, from 0.1 to 10
    private static float Length(int feature) => 0.1f * MathF.Pow(100, feature * 37 % 101 / 100f);

    [Theory]
    [InlineData("blocks.0.hook_attn_out", "about 32")]     // trained with k = 24
    [InlineData("blocks.0.hook_resid_pre", "about 32")]    // where as ReLU it explains 0.95 still
    [InlineData("blocks.1.hook_mlp_out", "about 32")]
    public void TopK_read_as_ReLU(string site, string k) => Only(Trained(site, d =>
    {
        d.Config["architecture"] = "standard";
        d.Config.Remove("k");
    }), Fault.TopkReadAsRelu, k, "\"architecture\": \"topk\"", "L0");

    [Fact]
    public void ReLU_read_as_TopK() =>
        Only(Trained("blocks.0.hook_mlp_out", d => (d.Config["architecture"], d.Config["k"]) = ("topk", 2)), Fault.ReluReadAsTopk,
            "\"architecture\": \"standard\"");

    [Fact]
    public void Another_k() =>
        Only(Trained("blocks.0.hook_resid_pre", d => d.Config["k"] = 6), Fault.WrongK, "another k than 6", "about 32");

    [Theory]
    [InlineData("layer_norm")]
    [InlineData("constant_norm_rescale")]
    public void An_input_that_is_normalised_and_should_not_be(string kind) =>
        Only(Trained("blocks.2.hook_resid_pre", d => d.Config["normalize_activations"] = kind), Fault.InputNormalization,
            $"normalised ({kind})", "\"normalize_activations\": \"none\"");

    [Fact]
    public void A_missing_layer_norm() => Forgotten(InputNormalization.LayerNorm);

    [Fact]
    public void A_missing_constant_norm() => Forgotten(InputNormalization.ConstantNorm);

    private void Forgotten(InputNormalization kind)
    {
        var dictionary = _tiny.Memory("blocks.1.hook_mlp_out", x => Normalized(x, kind));
        dictionary.Config["normalize_activations"] = kind.Name();
        Assert.Empty(_tiny.Check(dictionary).Findings);
        dictionary.Config["normalize_activations"] = "none";
        Only(dictionary, Fault.InputNormalization, $"normalised by {kind.Name()}", $"\"normalize_activations\": \"{kind.Name()}\"");
    }

    private static float[] Normalized(float[] x, InputNormalization kind) =>
        new OnnxAttribution.Dictionaries.SiteNormalization(kind, null).Apply(x, 128);

    [Fact]
    public void A_training_scale_that_was_not_folded() => Only(Trained("blocks.0.hook_resid_pre", d =>
    {
        // the scale that makes the mean length √d; both activations are homogeneous, so it goes into the biases
        Scale(d["b_enc"], _ => 10.6f);
        Scale(d["b_dec"], _ => 10.6f);
    }), Fault.InputNormalization, "expected_average_only_in", "\"norm_scaling_factor\": 11");

    [Fact]
    public void Another_scale() => Only(Trained("blocks.0.hook_mlp_out", d =>
    {
        Scale(d["b_enc"], _ => 8);
        Scale(d["b_dec"], _ => 8);
    }), Fault.InputScale, "multiplied by about 8", "\"norm_scaling_factor\": 8");

    [Fact]
    public void A_b_dec_that_is_not_subtracted() =>
        Only(Trained("blocks.0.hook_mlp_out", d => d.Config["apply_b_dec_to_input"] = false), Fault.DecoderBias,
            "\"apply_b_dec_to_input\": true");

    [Fact]
    public void Decoder_norms_that_count_twice() =>
        Only(Trained("blocks.0.hook_mlp_out", d => Scale(d["W_dec"], i => Length(i / d.Width))), Fault.DecoderNorm, "counted once less",
            "divided by its length");

    [Fact]
    public void Decoder_norms_by_which_TopK_has_to_choose()
    {
        var dictionary = Trained("blocks.0.hook_resid_pre", d =>
        {
            Scale(d["W_dec"], i => Length(i / d.Width));
            Scale(d["W_enc"], i => 1 / Length(i % d.Features));
            Scale(d["b_enc"], i => 1 / Length(i));
        });
        dictionary.Config["rescale_acts_by_decoder_norm"] = true;
        Assert.Empty(_tiny.Check(dictionary).Findings);
        dictionary.Config["rescale_acts_by_decoder_norm"] = false;
        Only(dictionary, Fault.SelectionByNorm, "\"rescale_acts_by_decoder_norm\": true");
    }

    [Fact]
    public void A_model_whose_writing_weights_are_not_centred()
    {
        // a dictionary that was trained on centred activations may do what it likes with their mean over d
        static float Sign(int feature) => feature % 2 == 0 ? 8 : -8;
        var dictionary = Trained("blocks.3.hook_resid_post", d =>
        {
            var mean = d["b_dec"].Sum();
            for (var i = 0; i < d["W_enc"].Length; i++) d["W_enc"][i] += Sign(i % d.Features);
            for (var i = 0; i < d.Features; i++) d["b_enc"][i] += Sign(i) * mean;
        });
        Assert.Empty(_tiny.Check(dictionary, o => o with { CenterWritingWeights = true }).Findings);
        Assert.Equal(Setting.CenterWritingWeights, Only(dictionary, Fault.UncentredWeights, "with centred writing weights").Setting);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_pre")]
    [InlineData("blocks.1.hook_resid_pre")]
    public void A_missing_BOS(string site) =>
        Only(2540, Trained(site, d => d.Config["metadata"]!["prepend_bos"] = false), Fault.Bos, "begin with BOS", "\"prepend_bos\": true");

    [Fact]
    public void A_BOS_that_should_not_be_there()
    {
        var dictionary = _tiny.Memory("blocks.2.hook_resid_pre", x => Normalized(x, InputNormalization.LayerNorm),
            hasBos: false, bias: 0.998f);
        dictionary.Config["normalize_activations"] = "layer_norm";
        Assert.Empty(_tiny.Check(dictionary).Findings);
        dictionary.Config["metadata"]!["prepend_bos"] = true;
        Only(dictionary, Fault.Bos, "without BOS", "\"prepend_bos\": false");
    }

    [Fact]
    public void The_dictionary_of_another_site() =>
        Only(Trained("blocks.2.hook_attn_out", d => d.Config["metadata"]!["hook_name"] = "blocks.1.hook_mlp_out"), Fault.OtherSite,
            "rebuilds blocks.2.hook_attn_out better than this site", "\"hook_name\": \"blocks.2.hook_attn_out\"");

    [Fact]
    public void The_dictionary_of_another_model()
    {
        var finding = Only(DictionaryFiles.Random("blocks.2.hook_resid_pre", 128, 512, seed: 5), Fault.DoesNotFit,
            "does not fit this model", "Check that it was trained on this model");
        Assert.Null(finding.After);
        Assert.Contains("try without it",
            Assert.Single(_tiny.Check(DictionaryFiles.Random("blocks.2.hook_resid_pre", 128, 512, seed: 5),
                o => o with { CenterWritingWeights = true }).Findings).Sentence);
    }

    [Fact]
    public void Two_faults_at_once_are_both_named()
    {
        var dictionary = Trained("blocks.0.hook_attn_out", d =>
        {
            d.Config["architecture"] = "standard";
            d.Config.Remove("k");
            d.Config["normalize_activations"] = "layer_norm";
        });
        Assert.Equal([Fault.TopkReadAsRelu, Fault.InputNormalization], _tiny.Check(dictionary).Findings.Select(f => f.Fault).Order());
    }
}
