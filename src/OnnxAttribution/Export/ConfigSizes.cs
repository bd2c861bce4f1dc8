using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>The keys that most of Hugging Face's config.json files have in common.</summary>
internal static class ConfigSizes
{
    /// <param name="keys">What they are called, where it is not the usual.</param>
    /// <exception cref="CheckpointException">A size is missing or impossible.</exception>
    public static ModelShape Read(ConfigJson json, int defaultPositions, SizeKeys? keys = null)
    {
        keys ??= new SizeKeys();
        if (json.Has("pruned_heads") && !json.IsEmpty("pruned_heads"))
        {
            throw json.Refuse("pruned_heads", "only a model with all its heads is");
        }
        var heads = json.Require(keys.Heads, json.Integer(keys.Heads, 1, 1024));
        var width = json.Require("hidden_size", json.Integer("hidden_size", 1, 1 << 16));
        var headWidth = json.Integer("head_dim", 1, 1 << 14) ?? keys.HeadWidth;
        if (headWidth is null && width % heads != 0)
        {
            throw json.Refuse("hidden_size", $"it must be a multiple of {keys.Heads}, which is {heads}");
        }
        var shared = json.Integer("num_key_value_heads", 1, heads) ?? heads;
        if (heads % shared != 0) throw json.Refuse("num_key_value_heads", $"it must divide {keys.Heads}, which is {heads}");
        return new ModelShape(
            ModelType: json.Require("model_type", json.String("model_type")),
            Layers: json.Require(keys.Layers, json.Integer(keys.Layers, 1, 1024)),
            Width: width,
            Heads: heads,
            KeyValueHeads: shared,
            HeadWidth: headWidth ?? (width / heads),
            InnerWidth: json.Integer(keys.Inner, 1, 1 << 20)
                ?? (keys.InnerMayBeMissing ? 4 * width : json.Require(keys.Inner, (int?)null)),
            VocabularySize: json.Require("vocab_size", json.Integer("vocab_size", 1, 1 << 24)),
            Positions: json.Integer("max_position_embeddings", 1, 1 << 24) ?? defaultPositions);
    }

    /// <param name="key"><c>hidden_act</c>, or what the config calls it.</param>
    /// <param name="otherwise">Its default.</param>
    public static Activation Activation(ConfigJson json, string key, string otherwise) => (json.String(key) ?? otherwise) switch
    {
        "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => Checkpoints.Activation.GeluTanh,
        "gelu" or "gelu_python" => Checkpoints.Activation.GeluErf,
        "relu" => Checkpoints.Activation.Relu,
        "silu" or "swish" => Checkpoints.Activation.Silu,
        _ => throw json.Refuse(key, "only 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh', 'relu' and 'silu' are"),
    };
}

/// <summary>What a config.json calls a model's sizes.</summary>
/// <param name="HeadWidth">Where <c>head_dim</c> is missing; null: the width over the number of heads.</param>
internal sealed record SizeKeys(string Layers = "num_hidden_layers", string Heads = "num_attention_heads",
    string Inner = "intermediate_size", int? HeadWidth = null)
{
    /// <summary>Without a number the MLP is four times as wide as the residual stream.</summary>
    public bool InnerMayBeMissing { get; init; }
}
