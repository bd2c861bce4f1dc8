using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using static OnnxAttribution.Tests.Export.PublishedConfigs;

namespace OnnxAttribution.Tests.Export;

/// <summary>config.json of the architectures: what is read, and what is refused by name.</summary>
public sealed class ArchitectureConfigTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Published_configs_are_read()
    {
        Assert.Equal(new ModelShape("gpt_neox", 6, 512, 8, 8, 64, 2048, 50304, 2048), Read(Pythia).Shape);
        Assert.Equal(new ModelShape("llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072), Read(Llama).Shape);
        Assert.Equal(new ModelShape("llama", 30, 576, 9, 3, 64, 1536, 49152, 2048), Read(SmolLm).Shape);
        Assert.Equal(new ModelShape("mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768), Read(Mistral).Shape);
        Assert.Equal(new ModelShape("qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768), Read(Qwen).Shape);
        Assert.Equal(new ModelShape("qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960), Read(Qwen3).Shape);
        Assert.Equal(new ModelShape("gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192), Read(Gemma2).Shape);
        Assert.Equal(new ModelShape("gemma3_text", 7, 640, 4, 1, 256, 2048, 262144, 32768), Read(Gemma3).Shape);
        Assert.Equal(new ModelShape("gpt_neo", 4, 64, 16, 16, 4, 256, 50257, 2048), Read(TinyStories).Shape);
        Assert.Equal(new ModelShape("olmo2", 16, 2048, 16, 16, 128, 8192, 100352, 4096), Read(Olmo2).Shape);
        Assert.Equal(new ModelShape("opt", 12, 768, 12, 12, 64, 3072, 50272, 2048), Read(Opt).Shape);
        Assert.Equal(new ModelShape("phi", 32, 2560, 32, 32, 80, 10240, 51200, 2048), Read(Phi).Shape);
        Assert.Equal(new ModelShape("gpt2", 48, 1600, 25, 25, 64, 6400, 50257, 1024), Read(Gpt2Xl).Shape);
        Assert.Equal(new ModelShape("gpt2", 6, 768, 12, 12, 64, 3072, 50257, 1024), Read(DistilGpt2).Shape);
    }

    [Fact]
    public void Windows_and_frequencies_alternate_as_the_model_has_them()
    {
        IEnumerable<(int? Window, double Slowest)> Of(string config) => Read(config).Blocks.Select(b =>
            (b.Attention.Window, b.Attention.Rotary is { } rotary ? Math.Log10(rotary.Frequencies[^1]) : 0));
        Assert.Equal([4096, null, 4096, null], Of(Gemma2).Take(4).Select(b => b.Window));
        Assert.Equal([512, 512, 512, 512, 512, null, 512], Of(Gemma3).Select(b => b.Window));
        // 1/θ, but for the last of 128 steps
        Assert.All(Of(Gemma3), b => Assert.Equal(b.Window is null ? -6 : -4, b.Slowest, 0.05));
        Assert.Equal(Of(Gemma3), Of(Without(Gemma3, "layer_types")));
        Assert.Equal([null, 256, null, 256], Of(TinyStories).Select(b => b.Window));
        Assert.Equal(Of(TinyStories), Of(Without(TinyStories, "attention_types")));
        Assert.Equal(Of(TinyStories), Of(Without(Without(TinyStories, "attention_types"), "attention_layers")));
        Assert.Equal([1f, 1f, 1f, 1f], Read(TinyStories).Blocks.Select(b => b.Attention.Scale));
        Assert.Equal(1 / 16f, Read(Gemma2).Blocks[0].Attention.Scale);
        Assert.Equal(48, Read(Gemma2).EmbeddingScale);
        Assert.Equal((50f, 30f), (Read(Gemma2).Blocks[0].Attention.Cap, Read(Gemma2).LogitCap));
        Assert.Equal((null, null), (Read(Gemma3).Blocks[0].Attention.Cap, Read(Gemma3).LogitCap));
    }

    [Fact]
    public void Newer_configs_of_gemma_3_say_the_frequencies_of_either_kind_of_layer()
    {
        var older = JsonNode.Parse(Gemma3)!.AsObject();
        older["rope_scaling"] = JsonNode.Parse("""{"rope_type": "linear", "factor": 8.0}""");
        var newer = JsonNode.Parse(Gemma3)!.AsObject();
        foreach (var key in (string[])["rope_scaling", "rope_theta", "rope_local_base_freq"]) newer.Remove(key);
        newer["rope_parameters"] = JsonNode.Parse("""
            {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
            """);
        float[][] Of(JsonObject config) =>
            [.. Read(config.ToJsonString()).Blocks.Select(b => b.Attention.Rotary!.Frequencies)];
        var (expected, actual) = (Of(older), Of(newer));
        for (var l = 0; l < 7; l++) Assert.Equal(expected[l], actual[l]);
        Assert.Equal(0.125f, expected[5][0]);
        Assert.Equal(1, expected[4][0]);
    }

    private static string Without(string config, string key)
    {
        var json = JsonNode.Parse(config)!.AsObject();
        json.Remove(key);
        return json.ToJsonString();
    }

    [Fact]
    public void Tied_models_unembed_with_their_embedding_and_others_with_a_tensor_of_their_own()
    {
        Assert.Equal([.. Enumerable.Repeat("embed_tokens.weight", 7), "wte.weight", "wte.weight"],
            ((string[])[Llama, SmolLm, Qwen, Qwen3, Gemma2, Gemma3, Opt, TinyStories, Gpt2Xl]).Select(c => Read(c).Unembedding));
        Assert.Equal(["embed_out.weight", "lm_head.weight", "lm_head.weight", "lm_head.weight"],
            ((string[])[Pythia, Mistral, Olmo2, Phi]).Select(c => Read(c).Unembedding));
    }

    public static TheoryData<string, string, string, string> Refusals => new()
    {
        { Pythia, "model_type", "\"gptj\"",
            "model_type is 'gptj', which is not supported; only 'gemma2', 'gemma3_text', 'gpt2', 'gpt_neo', 'gpt_neox', 'llama', "
                + "'mistral', 'olmo2', 'opt', 'phi', "
                + "'qwen2', 'qwen3' are" },
        { Pythia, "hidden_act", "\"mish\"", "hidden_act is 'mish'" },
        { Pythia, "rotary_pct", "0.05", "rotary_pct is 0.05, which is not supported; 3 of a head's 64 entries would be turned" },
        { Pythia, "rotary_pct", "1.5", "rotary_pct is 1.5" },
        { Pythia, "num_key_value_heads", "4", "num_key_value_heads is 4" },
        { Pythia, "num_attention_heads", "7",
            "hidden_size is 512, which is not supported; it must be a multiple of num_attention_heads, which is 7" },
        { Pythia, "hidden_size", "null", "has no key 'hidden_size'" },
        { Pythia, "rope_scaling", """{"type": "dynamic", "factor": 2.0}""",
            "rope_scaling.type is 'dynamic', which is not supported; only 'default', 'linear', 'llama3' and 'yarn' are" },
        { Llama, "rope_scaling", """{"rope_type": "yarn"}""", "has no key 'rope_scaling.factor'" },
        { Llama, "rope_scaling", """{"rope_type": "longrope", "long_factor": [1], "short_factor": [1]}""",
            "rope_scaling.long_factor is [1], which is not supported" },
        { Llama, "rope_scaling",
            """{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0,"""
            + """ "original_max_position_embeddings": 64}""",
            "rope_scaling.high_freq_factor is 1.0" },
        { Llama, "rope_scaling", """{"rope_type": "llama3", "factor": 8.0}""", "has no key 'rope_scaling.low_freq_factor'" },
        { Llama, "rope_parameters", """{"full_attention": {"rope_type": "default"}}""", "rope_parameters.full_attention is" },
        { Llama, "rope_parameters", """{"rope_theta": 1e4, "partial_rotary_factor": 0.5}""", "rope_parameters is" },
        { Llama, "partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5" },
        { Llama, "rope_interleaved", "true", "rope_interleaved is true" },
        { Llama, "num_key_value_heads", "5",
            "num_key_value_heads is 5, which is not supported; it must divide num_attention_heads, which is 32" },
        { Llama, "head_dim", "63", "63 of a head's 63 entries would be turned" },
        { Llama, "hidden_act", "\"relu2\"", "hidden_act is 'relu2'" },
        { Llama, "quantization_config", """{"bits": 4}""", "quantization_config is" },
        { Llama, "pruned_heads", """{"0": [1]}""", "pruned_heads is" },
        { Llama, "attention_bias", "1", "attention_bias is 1 where true or false" },
        { Qwen, "use_sliding_window", "true", "use_sliding_window is true" },
        { Qwen, "use_mrope", "true", "use_mrope is true" },
        { Qwen, "num_key_value_heads", "null", "has no key 'num_key_value_heads'" },
        { Qwen3, "use_sliding_window", "true", "use_sliding_window is true" },
        { Qwen3, "num_key_value_heads", "null", "has no key 'num_key_value_heads'" },
        { Qwen3, "num_experts", "128", "num_experts is 128, which is not supported; a mixture of experts is not computed here" },
        { Qwen3, "model_type", "\"qwen3_next\"", "model_type is 'qwen3_next'" },
        { Qwen3, "full_attention_interval", "4", "full_attention_interval is 4, which is not supported; blocks that are no attention" },
        { Qwen3, "layer_types", "[\"linear_attention\"]", "layer_types is [\"linear_attention\"], which is not supported; blocks" },
        { Llama, "num_local_experts", "8", "take a dense model of its family" },
        { Llama, "peft_type", "\"LORA\"", "peft_type is 'LORA', which is not supported; weights of an adapter are no model; merge it" },
        { Gemma3, "vision_config", """{"hidden_size": 1152}""", "only the language model is computed here: load the text part" },
        { Gemma3, "layer_types", "[\"full_attention\"]",
            "layer_types is [\"full_attention\"], which is not supported; it must say 'sliding_attention' or 'full_attention' of each" },
        { Gemma3, "rope_parameters", """{"rope_theta": 1e4}""", "rope_parameters.full_attention is missing" },
        { Gemma3, "use_bidirectional_attention", "true", "use_bidirectional_attention is true" },
        { Gemma2, "attn_logit_softcapping", "0", "attn_logit_softcapping is 0 where a number" },
        { Gemma2, "hidden_activation", "\"swiglu\"", "hidden_activation is 'swiglu'" },
        { TinyStories, "attention_types", "[[[\"global\"], 3]]", "it must say 'global' or 'local' of each of 4 layers" },
        { TinyStories, "attention_types", "[[\"global\", 4]]", "where a list of lists, each with its number, is expected" },
        { TinyStories, "num_heads", "7", "it must be a multiple of num_heads, which is 7" },
        { Opt, "do_layer_norm_before", "false", "do_layer_norm_before is false, which is not supported; only true is; export-scripts" },
        { Opt, "word_embed_proj_dim", "512", "word_embed_proj_dim is 512, which is not supported; only the model's own width, 768, is" },
        { Opt, "_remove_final_layer_norm", "true", "_remove_final_layer_norm is true" },
        { Opt, "layer_norm_elementwise_affine", "false", "layer_norm_elementwise_affine is false" },
        { Phi, "qk_layernorm", "true", "qk_layernorm is true, which is not supported; only false is; export-scripts/export_torch.py" },
        { Mistral, "sliding_window", "0", "sliding_window is 0" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public void What_is_not_understood_is_refused_by_name(string config, string key, string value, string problem)
    {
        var json = JsonNode.Parse(config)!.AsObject();
        json.Remove(key);
        var message = Assert.Throws<CheckpointException>(() => Read($"{json.ToJsonString()[..^1]},\"{key}\":{value}}}")).Message;
        Assert.StartsWith(Path.Combine(_directory.Path, "config.json: "), message);
        Assert.Contains(problem, message);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData("llama2", "model.layers.0.self_attn.q_proj.bias", "which a llama of this config does not have")]
    [InlineData("llama2", "model.layers.1.self_attn.q_norm.weight", "which a llama of this config does not have")]
    [InlineData("qwen3", "model.layers.1.self_attn.q_proj.bias", "which a qwen3 of this config does not have")]
    [InlineData("gemma2", "model.layers.0.self_attn.q_norm.weight", "which a gemma2 of this config does not have")]
    [InlineData("olmo2", "model.layers.0.input_layernorm.weight", "which a olmo2 of this config does not have")]
    [InlineData("gpt-neo", "transformer.h.0.attn.attention.q_proj.bias", "which a gpt_neo of this config does not have")]
    [InlineData("neox-sequential", "gpt_neox.layers.0.attention.dense.bias", "which a gpt_neox of this config does not have")]
    [InlineData("neox2", "gpt_neox.layers.2.input_layernorm.weight", "but config.json says num_hidden_layers 2")]
    public void A_tensor_of_a_block_that_the_config_does_not_explain_is_refused_by_name(string model, string tensor, string problem)
    {
        var bare = RandomModels.Rewrite(model, _directory["checkpoint"]);
        Add(bare, SafetensorsTensor.F32(tensor, [2], () => new float[2]));
        BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(bare, _directory["bundle"]), $"'{tensor}'", problem);
    }

    [Theory]
    [InlineData("neox2", "gpt_neox.layers.0.attention.bias"), InlineData("neox2", "gpt_neox.layers.1.attention.masked_bias"),
        InlineData("neox2", "gpt_neox.layers.0.attention.rotary_emb.inv_freq")]
    [InlineData("llama2", "model.layers.0.self_attn.rotary_emb.inv_freq"), InlineData("qwen2", "lm_head.weight"),
        InlineData("gpt-neo", "transformer.h.1.attn.attention.masked_bias")]
    public void Buffers_that_older_checkpoints_hold_are_left_alone(string model, string tensor)
    {
        var bare = RandomModels.Rewrite(model, _directory["checkpoint"]);
        Add(bare, SafetensorsTensor.F32(tensor, [2], () => new float[2]));
        Random2.Bundle(bare, _directory["bundle"]);
    }

    [Theory, InlineData("neox2", "gpt_neox.layers.1.mlp.dense_4h_to_h.bias"), InlineData("neox2", "embed_out.weight"),
        InlineData("qwen2", "model.layers.0.self_attn.k_proj.bias"), InlineData("llama2", "model.norm.weight"),
        InlineData("qwen3", "model.layers.1.self_attn.k_norm.weight"), InlineData("phi", "lm_head.bias"),
        InlineData("gemma2", "model.layers.0.post_feedforward_layernorm.weight"),
        InlineData("opt", "model.decoder.embed_positions.weight")]
    public void A_missing_tensor_is_named(string model, string tensor)
    {
        var bare = RandomModels.Rewrite(model, _directory["checkpoint"],
            (name, shape, values) => name == tensor ? null : SafetensorsTensor.F32(name, shape, () => values));
        BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(bare, _directory["bundle"]), $"has no tensor '{tensor}'");
    }

    private static void Add(string checkpoint, SafetensorsTensor tensor)
    {
        var path = Path.Combine(checkpoint, CheckpointFolder.SingleFile);
        SafetensorsTensor[] all;
        using (var file = SafetensorsFile.Open(path))
        {
            all = [.. file.Tensors.Values.Select(t => (t, Values: file.ReadFloats(t.Name)))
                .Select(p => SafetensorsTensor.F32(p.t.Name, [.. p.t.Shape], () => p.Values)), tensor];
        }
        SafetensorsWriter.Write(path, all);
    }

    private ModelArchitecture Read(string json)
    {
        File.WriteAllText(Path.Combine(_directory.Path, "config.json"), json);
        return Architectures.Read(_directory.Path);
    }
}
