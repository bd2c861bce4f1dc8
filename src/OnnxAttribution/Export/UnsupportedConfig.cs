using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>What a config.json of any kind of model may name that is not computed here: refused before its kind is asked for, with what
/// does work.</summary>
internal static class UnsupportedConfig
{
    private const string Dense = "a mixture of experts is not computed here; take a dense model of its family";

    private const string Hybrid = "blocks that are no attention are not computed here; take a model of attention alone";

    private const string Text = "only the language model is computed here: load the text part in transformers (its ForCausalLM class), "
        + "save_pretrained(NEW) it, and export NEW";

    private const string Adapter = "weights of an adapter are no model; " + CheckpointFolder.Merge;

    private static readonly (string Key, string Fix)[] s_keys =
    [
        ("quantization_config", "only plain float weights are; take the checkpoint that they were made of"),
        ("vision_config", Text), ("audio_config", Text),
        ("num_experts", Dense), ("num_local_experts", Dense), ("n_routed_experts", Dense), ("moe_intermediate_size", Dense),
        ("enable_moe_block", Dense),
        ("full_attention_interval", Hybrid), ("attn_layer_period", Hybrid), ("layers_block_type", Hybrid),
        ("hybrid_override_pattern", Hybrid), ("linear_num_value_heads", Hybrid), ("mamba_d_state", Hybrid), ("ssm_state_size", Hybrid),
        ("peft_type", Adapter), ("adapters", Adapter),
    ];

    /// <exception cref="CheckpointException">The config names one of these.</exception>
    public static void Refuse(ConfigJson json)
    {
        foreach (var (key, fix) in s_keys)
        {
            if (json.Has(key) && !IsNothing(json, key)) throw json.Refuse(key, fix);
        }
        if (json.Strings("layer_types").FirstOrDefault(k => !k.EndsWith("attention", StringComparison.Ordinal) || k == "linear_attention")
            is not null)
        {
            throw json.Refuse("layer_types", Hybrid);
        }
    }

    // a family's dense models say that they have no experts, or a single one
    private static bool IsNothing(ConfigJson json, string key) =>
        json.IsEmpty(key) || json.IsFalse(key) || (key.Contains("experts", StringComparison.Ordinal) && json.IsNumber(key, atMost: 1));
}
