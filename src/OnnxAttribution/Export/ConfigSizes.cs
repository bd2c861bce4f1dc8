using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>The keys that most of Hugging Face's config.json files have in common.</summary>
internal static class ConfigSizes
{
    /// <exception cref="CheckpointException">A size is missing or impossible, or the weights are quantized.</exception>
    public static ModelShape Read(ConfigJson json, int defaultPositions)
    {
        if (json.Has("quantization_config"))
        {
            throw json.Refuse("quantization_config", "only plain float weights are; take the checkpoint that they were made of");
        }
        if (json.Has("pruned_heads") && !json.IsEmpty("pruned_heads"))
        {
            throw json.Refuse("pruned_heads", "only a model with all its heads is");
        }
        var heads = json.Require("num_attention_heads", json.Integer("num_attention_heads", 1, 1024));
        var width = json.Require("hidden_size", json.Integer("hidden_size", 1, 1 << 16));
        if (width % heads != 0 && !json.Has("head_dim"))
        {
            throw json.Refuse("hidden_size", $"it must be a multiple of num_attention_heads, which is {heads}");
        }
        var shared = json.Integer("num_key_value_heads", 1, heads) ?? heads;
        if (heads % shared != 0) throw json.Refuse("num_key_value_heads", $"it must divide num_attention_heads, which is {heads}");
        return new ModelShape(
            ModelType: json.Require("model_type", json.String("model_type")),
            Layers: json.Require("num_hidden_layers", json.Integer("num_hidden_layers", 1, 1024)),
            Width: width,
            Heads: heads,
            KeyValueHeads: shared,
            HeadWidth: json.Integer("head_dim", 1, 1 << 14) ?? (width / heads),
            InnerWidth: json.Require("intermediate_size", json.Integer("intermediate_size", 1, 1 << 20)),
            VocabularySize: json.Require("vocab_size", json.Integer("vocab_size", 1, 1 << 24)),
            Positions: json.Integer("max_position_embeddings", 1, 1 << 24) ?? defaultPositions);
    }

    /// <summary><c>hidden_act</c>.</summary>
    public static Activation Activation(ConfigJson json, string otherwise) => (json.String("hidden_act") ?? otherwise) switch
    {
        "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => Checkpoints.Activation.GeluTanh,
        "gelu" or "gelu_python" => Checkpoints.Activation.GeluErf,
        "silu" or "swish" => Checkpoints.Activation.Silu,
        _ => throw json.Refuse("hidden_act", "only 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh' and 'silu' are"),
    };
}
