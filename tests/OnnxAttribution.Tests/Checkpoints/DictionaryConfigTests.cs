using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class DictionaryConfigTests : IDisposable
{
    /// <summary>As gpt2-small-res-jb has it: the flat layout with the oldest names.</summary>
    private const string Flat = """
        {"model_name": "gpt2-small", "hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8, "hook_point_head_index": null,
         "dataset_path": "Skylion007/openwebtext", "context_size": 128, "d_in": 768, "d_sae": 24576,
         "b_dec_init_method": "geometric_median", "device": "mps", "dtype": "torch.float32", "l1_coefficient": 8e-05}
        """;

    /// <summary>As the OAI v5 dictionaries have it: flat, TopK by its activation function, normalised inputs, no BOS.</summary>
    private const string FlatTopK = """
        {"architecture": "standard", "d_in": 768, "d_sae": 32768, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 32},
         "apply_b_dec_to_input": true, "finetuning_scaling_factor": false, "context_size": 64, "model_name": "gpt2-small",
         "hook_name": "blocks.0.hook_attn_out", "hook_layer": 0, "hook_head_index": null, "prepend_bos": false,
         "normalize_activations": "layer_norm", "dtype": "float32", "device": "cpu", "neuronpedia_id": "gpt2-small/0-att_32k-oai",
         "seqpos_slice": [null]}
        """;

    /// <summary>As SAELens 6 writes it.</summary>
    private const string New = """
        {"architecture": "topk", "k": 16, "d_in": 64, "d_sae": 512, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": false,
         "rescale_acts_by_decoder_norm": false, "normalize_activations": "none", "reshape_activations": "none",
         "metadata": {"sae_lens_version": "6.18.0", "model_name": "gelu-1l", "hook_name": "blocks.0.hook_mlp_out",
         "hook_head_index": null, "hook_name_out": null, "prepend_bos": true, "neuronpedia_id": null,
         "model_from_pretrained_kwargs": {"center_writing_weights": true}}}
        """;

    private readonly TemporaryDirectory _directory = new();

    private string FilePath => Path.Combine(_directory.Path, "cfg.json");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_oldest_flat_layout_is_read_with_its_defaults_and_its_release()
    {
        var read = Read(Flat);
        Assert.Equal(
            new DictionaryConfig("blocks.8.hook_resid_pre", 768, 24576, DictionaryArchitecture.Standard, 0, ApplyDecoderBiasToInput: true,
                InputNormalization.None, PrependBos: true, "gpt2-small", "gpt2-small/8-res-jb", CenterWritingWeights: true),
            read with { FromRelease = null });
        Assert.Equal(("gpt2-small-res-jb", "neuronpedia_id"), (read.FromRelease!.Release, string.Join(',', read.FromRelease.Keys)));
    }

    [Fact]
    public void A_flat_topk_is_no_relu() => Assert.Equal(
        new DictionaryConfig("blocks.0.hook_attn_out", 768, 32768, DictionaryArchitecture.TopK, 32, ApplyDecoderBiasToInput: true,
            InputNormalization.LayerNorm, PrependBos: false, "gpt2-small", "gpt2-small/0-att_32k-oai", null)
        { IsBosSaid = true }, Read(FlatTopK));

    [Fact]
    public void The_new_layout_is_read() => Assert.Equal(
        new DictionaryConfig("blocks.0.hook_mlp_out", 64, 512, DictionaryArchitecture.TopK, 16, ApplyDecoderBiasToInput: false,
            InputNormalization.None, PrependBos: true, "gelu-1l", null, CenterWritingWeights: true) { IsBosSaid = true }, Read(New));

    [Theory]
    [InlineData("transformer.h.0", "blocks.0.hook_resid_post"), InlineData("model.layers.5.mlp", "blocks.5.hook_mlp_out"),
        InlineData("gpt_neox.layers.3.attention", "blocks.3.hook_attn_out")]
    [InlineData("model.layers.5.mlp.gate_proj", "model.layers.5.mlp.gate_proj"),
        InlineData("blocks.5.mlp.hook_post", "blocks.5.mlp.hook_post")]
    public void A_module_of_a_model_of_Hugging_Face_is_the_site_that_its_output_is(string module, string site)
    {
        Assert.Equal(site, Read(Changed(Flat, "hook_point", $"\"{module}\"")).HookName);
        Assert.Equal(site, Read(Changed(Changed(Flat, "hook_point", $"\"{module}\""), "hook_name_out", $"\"{site}\"")).HookName);
    }

    [Fact]
    public void Harmless_spellings_are_accepted()
    {
        Assert.Equal(InputNormalization.None, Read(Changed(Flat, "normalize_activations", "false")).Normalization);
        Assert.Equal(DictionaryArchitecture.Standard, Read(Changed(Flat, "activation_fn", "\"relu\"")).Architecture);
        Assert.Equal(768, Read(Changed(Flat, "d_out", "768")).Width);
        Assert.Equal("blocks.8.hook_resid_pre", Read(Changed(Flat, "hook_name_out", "\"blocks.8.hook_resid_pre\"")).HookName);
        Assert.Equal(768, Read(Changed(Flat, "a_key_of_tomorrow", "{}")).Width);
    }

    [Fact]
    public void What_changes_the_mathematics_is_kept()
    {
        Assert.Equal(InputNormalization.ExpectedAverage, Read(Changed(Flat, "normalize_activations", "true")).Normalization);
        Assert.Equal(InputNormalization.ExpectedAverage,
            Read(Changed(Flat, "normalize_activations", "\"expected_average_only_in\"")).Normalization);
        Assert.Equal(InputNormalization.ConstantNorm,
            Read(Changed(New, "normalize_activations", "\"constant_norm_rescale\"")).Normalization);
        Assert.Equal(1.5, Read(Changed(New, "norm_scaling_factor", "1.5")).NormScalingFactor);
        Assert.Equal(DictionaryArchitecture.JumpRelu, Read(Changed(Flat, "architecture", "\"jumprelu\"")).Architecture);
        Assert.Equal(DictionaryArchitecture.Gated, Read(Changed(New, "architecture", "\"gated\"")).Architecture);
        Assert.True(Read(Changed(New, "rescale_acts_by_decoder_norm", "true")).RescalesByDecoderNorm);
        Assert.True(Read(Changed(Flat, "finetuning_scaling_factor", "true")).FinetunedScale);
    }

    [Fact]
    public void Heads_side_by_side_are_read_as_one_row()
    {
        var old = Changed(Flat, "hook_point", "\"blocks.0.attn.hook_z\"");
        Assert.Equal("blocks.0.attn.hook_z", Read(old).HookName);
        Assert.Equal("blocks.0.attn.hook_z", Read(Changed(old, "reshape_activations", "\"hook_z\"")).HookName);
    }

    public static TheoryData<string, string, string, string> Refusals => new()
    {
        { Flat, "architecture", "\"temporal\"",
            "architecture is 'temporal', which is not supported; only 'standard', 'topk', 'jumprelu', 'gated' and SAELens's" },
        { FlatTopK, "architecture", "\"jumprelu\"",
            "activation_fn_str is 'topk', which is not supported; with this architecture only 'relu' is" },
        { New, "architecture", "\"jumprelu_transcoder\"",
            "has no key 'hook_name_out'" },
        { Flat, "architecture", "\"batchtopk\"", "architecture is 'batchtopk'" },
        { New, "architecture", "\"matryoshka_batchtopk\"", "architecture is 'matryoshka_batchtopk'" },
        { New, "architecture", "\"skip_transcoder\"", "has no key 'hook_name_out'" },
        { New, "architecture", "7", "architecture is 7 where a string" },
        { Flat, "activation_fn_str", "\"tanh-relu\"", "activation_fn_str is 'tanh-relu', which is not supported" },
        { Flat, "activation_fn", "\"gelu\"", "activation_fn is 'gelu'" },
        { New, "activation_fn", "\"gelu\"", "activation_fn is 'gelu'" },
        { FlatTopK, "activation_fn_kwargs", "{}", "has no key 'activation_fn_kwargs.k'" },
        { FlatTopK, "activation_fn_kwargs", "null", "has no key 'k'" },
        { New, "k", "0", "k is 0 where an integer from 1 to 512" },
        { New, "k", "513", "k is 513 where an integer from 1 to 512" },
        { New, "k", "null", "has no key 'k'" },
        { New, "normalize_activations", "\"something\"", "normalize_activations is 'something'" },
        { Flat, "rescale_acts_by_decoder_norm", "true", "rescale_acts_by_decoder_norm is true" },
        { New, "norm_scaling_factor", "0", "norm_scaling_factor is 0 where a number" },
        { New, "reshape_activations", "\"hook_z\"", "reshape_activations is 'hook_z'" },
        { New, "d_out", "65", "d_out is 65" },
        { Flat, "is_transcoder", "true", "is_transcoder is true" },
        { Flat, "hook_point_head_index", "3", "hook_point_head_index is 3" },
        { FlatTopK, "hook_head_index", "0", "hook_head_index is 0" },
        { Flat, "hook_point", "\"a/b\"", "hook_point is 'a/b'" },
        { Flat, "hook_point", "\"\"", "hook_point is ''" },
        { Flat, "hook_point", "null", "has no key 'hook_name'" },
        { FlatTopK, "hook_name_out", "\"blocks.1.hook_mlp_out\"", "hook_name_out is 'blocks.1.hook_mlp_out'" },
        { Flat, "hook_point_out", "\"blocks.8.hook_mlp_out\"", "hook_point_out is 'blocks.8.hook_mlp_out'" },
        { New, "metadata", "{\"hook_name\":\"a\",\"hook_head_index\":1}", "metadata.hook_head_index is 1" },
        { New, "metadata", "{\"hook_name\":\"a\",\"hook_name_out\":\"b\"}", "metadata.hook_name_out is 'b'" },
        { New, "metadata", "3", "metadata is 3 where an object" },
        { New, "metadata", "{}", "has no key 'hook_name'" },
        { Flat, "d_in", "null", "has no key 'd_in'" },
        { Flat, "d_sae", "99999999", "d_sae is 99999999 where an integer" },
        { Flat, "apply_b_dec_to_input", "\"yes\"", "apply_b_dec_to_input is 'yes' where true or false" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public void What_would_change_the_mathematics_is_refused_by_name(string layout, string key, string value, string problem)
    {
        var message = Assert.Throws<CheckpointException>(() => Read(Changed(layout, key, value))).Message;
        Assert.StartsWith($"{FilePath}: ", message);
        Assert.Contains(problem, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Only_our_exception_leaves_a_mutated_config()
    {
        foreach (var whole in new[] { Flat, FlatTopK, New }.Select(System.Text.Encoding.UTF8.GetBytes))
        {
            var files = Gen.Zip(Gen.Choose(0, whole.Length - 1), Gen.Choose(0, 255)).ListOf(2).Select(edits =>
            {
                var bytes = whole.ToArray();
                foreach (var (index, value) in edits) bytes[index] = (byte)value;
                return bytes;
            });
            Check.One(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(1000), Prop.ForAll(files.ToArbitrary(), bytes =>
            {
                File.WriteAllBytes(FilePath, bytes);
                return Record.Exception(() => DictionaryConfig.Read(FilePath)) is null or CheckpointException;
            }));
        }
    }

    private static string Changed(string layout, string key, string value)
    {
        var json = JsonNode.Parse(layout)!.AsObject();
        json[key] = JsonNode.Parse(value);
        return json.ToJsonString();
    }

    private DictionaryConfig Read(string json)
    {
        File.WriteAllText(FilePath, json);
        return DictionaryConfig.Read(FilePath);
    }
}
