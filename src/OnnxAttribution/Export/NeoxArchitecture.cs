using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>GPT-NeoX, Pythia: LayerNorm, rotary positions on part of each head, queries,
/// keys and values in one weight head by head, sublayers in parallel or in sequence; weights stored [out, in].</summary>
internal sealed class NeoxArchitecture : ModelArchitecture
{
    private const string Head = "embed_out.weight";

    private readonly RotaryConfig _rotary;
    private readonly Activation _activation;
    private readonly float _epsilon;
    private readonly bool _parallel, _attentionBias, _tied;

    public NeoxArchitecture(ConfigJson json)
    {
        Shape = ConfigSizes.Read(json, defaultPositions: 2048);
        if (json.Has("num_key_value_heads")) throw json.Refuse("num_key_value_heads", "a gpt_neox has as many keys and values as queries");
        _rotary = RotaryConfig.Read(json, Shape.HeadWidth,
            json.Number("rotary_pct", 0, 1) ?? json.Number("partial_rotary_factor", 0, 1) ?? 0.25,
            json.Number("rotary_emb_base", 1, 1e12) ?? json.Number("rope_theta", 1, 1e12) ?? 10000);
        _activation = ConfigSizes.Activation(json, "hidden_act", "gelu");
        _epsilon = (float)(json.Number("layer_norm_eps", 1e-30, 1) ?? 1e-5);
        _parallel = json.Boolean("use_parallel_residual") ?? true;
        _attentionBias = json.Boolean("attention_bias") ?? true;
        _tied = json.Boolean("tie_word_embeddings") ?? false;
    }

    public override ModelShape Shape { get; }

    public override IReadOnlyList<TensorSpec> Embeddings => [new("embed_in.weight", Shape.VocabularySize, Shape.Width)];

    public override IReadOnlyList<BlockLayout> Blocks => [.. Enumerable.Range(0, Shape.Layers).Select(Block)];

    public override Norm LastNorm => Norm("final_layer_norm");

    public override TensorSpec? OwnUnembedding => _tied ? null : new(Head, Shape.VocabularySize, Shape.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(Shape.ModelType, "gpt_neox.", tensors, OwnUnembedding, Head, "layers.", Shape.Layers, "num_hidden_layers",
            [".attention.bias", ".attention.masked_bias", ".attention.rotary_emb.inv_freq"]);

    private BlockLayout Block(int l)
    {
        var block = $"layers.{l}";
        var heads = new HeadLayout.HeadByHead(Shape,
            Linear($"{block}.attention.query_key_value", Shape.Width, 3 * Shape.Width, _attentionBias));
        return new BlockLayout(
            new AttentionLayout(heads, Linear($"{block}.attention.dense", Shape.Width, Shape.Width, _attentionBias))
            {
                Before = Norm($"{block}.input_layernorm"),
                Rotary = _rotary
            },
            new MlpLayout(_activation, Linear($"{block}.mlp.dense_h_to_4h", Shape.Width, Shape.InnerWidth), Up: null,
                Linear($"{block}.mlp.dense_4h_to_h", Shape.InnerWidth, Shape.Width))
            {
                Before = Norm($"{block}.post_attention_layernorm")
            },
            _parallel);
    }

    private Norm Norm(string name) => new(name, Shape.Width, IsRms: false, _epsilon);

    private static Linear Linear(string name, int from, int to, bool bias = true) => new(name, from, to, OutFirst: true, bias);
}
