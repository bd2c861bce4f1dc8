using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>config.json of the architectures: what is read, and what is refused by name.</summary>
public sealed class ArchitectureConfigTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    // the models' own files, shortened
    private const string Pythia = """
        {"architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu", "hidden_size": 512,
         "initializer_range": 0.02, "intermediate_size": 2048, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048,
         "model_type": "gpt_neox", "num_attention_heads": 8, "num_hidden_layers": 6, "rotary_emb_base": 10000, "rotary_pct": 0.25,
         "tie_word_embeddings": false, "torch_dtype": "float16", "use_cache": true, "use_parallel_residual": true, "vocab_size": 50304}
        """;

    private const string Llama = """
        {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
         "eos_token_id": 128001, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192,
         "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
         "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
         "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
         "tie_word_embeddings": true, "torch_dtype": "bfloat16", "vocab_size": 128256}
        """;

    private const string SmolLm = """
        {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "hidden_act": "silu", "hidden_size": 576,
         "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 2048, "model_type": "llama",
         "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
         "rope_interleaved": false, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings": true, "vocab_size": 49152}
        """;

    private const string Mistral = """
        {"architectures": ["MistralForCausalLM"], "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
         "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
         "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false,
         "vocab_size": 32000}
        """;

    private const string Qwen = """
        {"architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
         "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2", "num_attention_heads": 14,
         "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
         "tie_word_embeddings": true, "use_mrope": false, "use_sliding_window": false, "vocab_size": 151936}
        """;

    private const string Gpt2Xl = """
        {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
         "n_ctx": 1024, "n_embd": 1600, "n_head": 25, "n_layer": 48, "n_positions": 1024, "output_past": true, "summary_type": "cls_index",
         "vocab_size": 50257}
        """;

    private const string DistilGpt2 = """
        {"_num_labels": 1, "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "id2label": {"0": "LABEL_0"},
         "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 6, "n_positions": 1024,
         "vocab_size": 50257}
        """;

    [Fact]
    public void Published_configs_are_read()
    {
        Assert.Equal(new ModelShape("gpt_neox", 6, 512, 8, 8, 64, 2048, 50304, 2048), Read(Pythia).Shape);
        Assert.Equal(new ModelShape("llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072), Read(Llama).Shape);
        Assert.Equal(new ModelShape("llama", 30, 576, 9, 3, 64, 1536, 49152, 2048), Read(SmolLm).Shape);
        Assert.Equal(new ModelShape("mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768), Read(Mistral).Shape);
        Assert.Equal(new ModelShape("qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768), Read(Qwen).Shape);
        Assert.Equal(new ModelShape("gpt2", 48, 1600, 25, 25, 64, 6400, 50257, 1024), Read(Gpt2Xl).Shape);
        Assert.Equal(new ModelShape("gpt2", 6, 768, 12, 12, 64, 3072, 50257, 1024), Read(DistilGpt2).Shape);
    }

    [Fact]
    public void Tied_models_unembed_with_their_embedding_and_others_with_a_tensor_of_their_own()
    {
        Assert.Equal(["embed_tokens.weight", "embed_tokens.weight", "embed_tokens.weight", "wte.weight"],
            ((string[])[Llama, SmolLm, Qwen, Gpt2Xl]).Select(c => Read(c).Unembedding));
        Assert.Equal(["embed_out.weight", "lm_head.weight"], ((string[])[Pythia, Mistral]).Select(c => Read(c).Unembedding));
    }

    [Fact]
    public void Newer_and_older_keys_of_rotary_positions_say_the_same()
    {
        float[] Frequencies(string json) => RotaryConfig.Read(ConfigOf(json), 64, 0.25, 10000).Frequencies;
        var old = Frequencies("{}");
        Assert.Equal(8, old.Length);
        Assert.Equal(1f, old[0]);
        Assert.Equal(old,
            Frequencies("""{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}}"""));
        Assert.Equal(RotaryConfig.Read(ConfigOf("{}"), 64, 0.5, 500).Frequencies,
            Frequencies("""{"rope_parameters": {"rope_theta": 500.0, "partial_rotary_factor": 0.5}}"""));
        Assert.Equal(old.Select(f => f / 4), Frequencies("""{"rope_scaling": {"type": "linear", "factor": 4.0}}"""));
    }

    /// <summary>A wave of the old context / low is stretched by the factor, one of old context / high not at all.</summary>
    [Fact]
    public void Llama_3s_scaling_stretches_long_waves_only()
    {
        var plain = RotaryConfig.Read(ConfigOf("{}"), 64, 1, 500000).Frequencies;
        var scaled = RotaryConfig.Read(ConfigOf(Llama), 64, 1, 500000).Frequencies;
        for (var i = 0; i < plain.Length; i++)
        {
            var wave = 2 * Math.PI / plain[i];
            if (wave > 8192) Assert.Equal(plain[i] / 32, scaled[i]);
            else if (wave < 2048) Assert.Equal(plain[i], scaled[i]);
            else Assert.InRange(scaled[i], plain[i] / 32, plain[i]);
        }
        Assert.Contains(Enumerable.Range(0, 32), i => scaled[i] != plain[i] && scaled[i] != plain[i] / 32);
    }

    public static TheoryData<string, string, string, string> Refusals => new()
    {
        { Pythia, "model_type", "\"gptj\"",
            "model_type is 'gptj', which is not supported; only 'gpt2', 'gpt_neox', 'llama', 'mistral', 'qwen2' are" },
        { Pythia, "hidden_act", "\"relu\"", "hidden_act is 'relu'" },
        { Pythia, "rotary_pct", "0.05", "rotary_pct is 0.05, which is not supported; 3 of a head's 64 entries would be turned" },
        { Pythia, "rotary_pct", "1.5", "rotary_pct is 1.5" },
        { Pythia, "num_key_value_heads", "4", "num_key_value_heads is 4" },
        { Pythia, "num_attention_heads", "7",
            "hidden_size is 512, which is not supported; it must be a multiple of num_attention_heads, which is 7" },
        { Pythia, "hidden_size", "null", "has no key 'hidden_size'" },
        { Pythia, "rope_scaling", """{"type": "dynamic", "factor": 2.0}""",
            "rope_scaling.type is 'dynamic', which is not supported; only 'default', 'linear' and 'llama3' are" },
        { Llama, "rope_scaling", """{"rope_type": "yarn", "factor": 2.0}""", "rope_scaling.rope_type is 'yarn'" },
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
    [InlineData("llama2", "model.layers.0.self_attn.rotary_emb.inv_freq"), InlineData("qwen2", "lm_head.weight")]
    public void Buffers_that_older_checkpoints_hold_are_left_alone(string model, string tensor)
    {
        var bare = RandomModels.Rewrite(model, _directory["checkpoint"]);
        Add(bare, SafetensorsTensor.F32(tensor, [2], () => new float[2]));
        Random2.Bundle(bare, _directory["bundle"]);
    }

    [Theory, InlineData("neox2", "gpt_neox.layers.1.mlp.dense_4h_to_h.bias"), InlineData("neox2", "embed_out.weight"),
        InlineData("qwen2", "model.layers.0.self_attn.k_proj.bias"), InlineData("llama2", "model.norm.weight")]
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

    private ConfigJson ConfigOf(string json)
    {
        File.WriteAllText(Path.Combine(_directory.Path, "config.json"), json);
        return ConfigJson.Read(Path.Combine(_directory.Path, "config.json"));
    }
}
