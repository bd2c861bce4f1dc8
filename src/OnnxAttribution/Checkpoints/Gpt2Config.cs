namespace OnnxAttribution.Checkpoints;

/// <summary>What Hugging Face's <c>config.json</c> says of a GPT-2, as far as it changes mathematics.
/// What is not understood is refused by name.</summary>
/// <param name="Layers">n_layer: number of blocks.</param>
/// <param name="Heads">n_head: attention heads of a block.</param>
/// <param name="Width">n_embd: width of the residual stream.</param>
/// <param name="Positions">n_positions (old: n_ctx): longest input in tokens.</param>
/// <param name="VocabularySize">vocab_size: rows of the embedding.</param>
/// <param name="InnerWidth">n_inner: width of the MLP's hidden layer; 4 Width when null.</param>
/// <param name="LayerNormEpsilon">layer_norm_epsilon: added to the variance.</param>
/// <param name="Activation">activation_function.</param>
/// <param name="TieWordEmbeddings">True: the unembedding is the transposed embedding.</param>
/// <param name="BeginOfTextId">bos_token_id, if given.</param>
/// <param name="EndOfTextId">eos_token_id, if given.</param>
internal sealed record Gpt2Config(
    int Layers, int Heads, int Width, int Positions, int VocabularySize, int InnerWidth, double LayerNormEpsilon, Activation Activation,
    bool TieWordEmbeddings, int? BeginOfTextId, int? EndOfTextId)
{
    /// <summary>Width of one head.</summary>
    public int HeadWidth => Width / Heads;

    /// <summary>Reads and checks a <c>config.json</c>.</summary>
    /// <exception cref="CheckpointException">The file is missing or broken,
    /// or describes something that is not the GPT-2 computed here.</exception>
    public static Gpt2Config Read(string path) => Read(ConfigJson.Read(path));

    /// <inheritdoc cref="Read(string)"/>
    public static Gpt2Config Read(ConfigJson json)
    {
        if (json.Require("model_type", json.String("model_type")) != "gpt2") throw json.Refuse("model_type", "only 'gpt2' is");
        RefuseVariants(json);
        var heads = json.Require("n_head", json.Integer("n_head", 1, 1024));
        var width = json.Require("n_embd", json.Integer("n_embd", 1, 1 << 16));
        if (width % heads != 0) throw json.Refuse("n_embd", $"it must be a multiple of n_head, which is {heads}");
        var vocabularySize = json.Require("vocab_size", json.Integer("vocab_size", 1, 1 << 24));
        return new(
            Layers: json.Require("n_layer", json.Integer("n_layer", 1, 1024)),
            Heads: heads,
            Width: width,
            Positions: json.Require("n_positions", json.Integer("n_positions", 1, 1 << 24) ?? json.Integer("n_ctx", 1, 1 << 24)),
            VocabularySize: vocabularySize,
            InnerWidth: json.Integer("n_inner", 1, 1 << 20) ?? 4 * width,
            LayerNormEpsilon: json.Number("layer_norm_epsilon", 1e-30, 1) ?? 1e-5,
            Activation: ReadActivation(json),
            TieWordEmbeddings: json.Boolean("tie_word_embeddings") ?? true,
            BeginOfTextId: json.Integer("bos_token_id", 0, vocabularySize - 1),
            EndOfTextId: json.Integer("eos_token_id", 0, vocabularySize - 1));
    }

    private static Activation ReadActivation(ConfigJson json) => (json.String("activation_function") ?? "gelu_new") switch
    {
        "gelu_new" or "gelu_pytorch_tanh" => Activation.GeluTanh,
        "gelu" => Activation.GeluErf,
        _ => throw json.Refuse("activation_function", "only 'gelu_new', 'gelu_pytorch_tanh' and 'gelu' are"),
    };

    private static void RefuseVariants(ConfigJson json)
    {
        if (json.Boolean("scale_attn_weights") is false)
        {
            throw json.Refuse("scale_attn_weights", "only true is: attention scores divided by the root of the head's width");
        }
        foreach (var key in (ReadOnlySpan<string>)["scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"])
        {
            if (json.Boolean(key) is true) throw json.Refuse(key, "only false is");
        }

        if (json.Has("pruned_heads") && !json.IsEmpty("pruned_heads"))
        {
            throw json.Refuse("pruned_heads", "only a model with all its heads is");
        }
        if (json.Has("quantization_config"))
        {
            throw json.Refuse("quantization_config", "only plain float weights are; take the checkpoint that they were made of");
        }
    }
}
