using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Export;

/// <summary>What a config.json leaves out has the default of Hugging Face's class of the model.</summary>
public sealed class ArchitectureDefaultsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    /// <summary>configuration_gpt_neox.py, configuration_llama.py, and so on.</summary>
    [Theory]
    [InlineData("neox2",
        """{"rotary_pct": 0.25, "rotary_emb_base": 10000, "use_parallel_residual": true, "layer_norm_eps": 1e-5,"""
        + """ "attention_bias": true, "hidden_act": "gelu", "tie_word_embeddings": false}""")]
    [InlineData("llama2",
        """{"rope_theta": 10000.0, "rms_norm_eps": 1e-6, "attention_bias": false, "hidden_act": "silu", "tie_word_embeddings": false}""")]
    [InlineData("mistral", """{"rope_theta": 10000.0, "rms_norm_eps": 1e-6, "sliding_window": 4096}""")]
    [InlineData("qwen3", """{"rope_theta": 10000.0, "rms_norm_eps": 1e-6, "attention_bias": false, "hidden_act": "silu"}""")]
    [InlineData("gemma2",
        """{"query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 4096,"""
        + """ "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "tie_word_embeddings": true, "rope_theta": 10000.0}""")]
    [InlineData("gemma3",
        """{"query_pre_attn_scalar": 256, "attn_logit_softcapping": null, "final_logit_softcapping": null, "sliding_window": 4096,"""
        + """ "sliding_window_pattern": 6, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": null}""")]
    [InlineData("gpt-neo",
        """{"window_size": 256, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true}""")]
    [InlineData("olmo2", """{"rope_theta": 10000.0, "rms_norm_eps": 1e-6, "attention_bias": false, "tie_word_embeddings": false}""")]
    [InlineData("opt",
        """{"activation_function": "relu", "enable_bias": true, "do_layer_norm_before": true, "_remove_final_layer_norm": false,"""
        + """ "tie_word_embeddings": true, "layer_norm_elementwise_affine": true}""")]
    [InlineData("phi",
        """{"partial_rotary_factor": 0.5, "rope_theta": 10000.0, "layer_norm_eps": 1e-5, "hidden_act": "gelu_new","""
        + """ "tie_word_embeddings": false}""")]
    public void A_key_that_is_left_out_has_hugging_faces_default(string model, string defaults)
    {
        var values = System.Text.Json.Nodes.JsonNode.Parse(defaults)!.AsObject();
        int[] tokens = [256, 1, 2, 3, 250, 7, 9];
        float[] Logits(string name, bool said)
        {
            var checkpoint = RandomModels.Rewrite(model, _directory[name], (tensor, shape, floats) =>
                SafetensorsTensor.F32(tensor, shape, () => Array.ConvertAll(floats, f => tensor.Contains("embed") ? f / 100 : f)), config =>
            {
                // of width 24, of which a quarter is turned by three frequencies
                if (model == "neox2") config["num_attention_heads"] = 1;
                // 3 of 6 entries are no pairs
                if (model == "phi") (config["num_attention_heads"], config["num_key_value_heads"]) = (2, 1);
                foreach (var (key, value) in values)
                {
                    if (said) config[key] = value?.DeepClone();
                    else config.Remove(key);
                }
            });
            using var session = new PlainSession(Random2.Bundle(checkpoint, _directory[$"{name}-bundle"]));
            return session.Logits(tokens);
        }
        Assert.Equal(Logits("said", true), Logits("left", false));
    }
}
