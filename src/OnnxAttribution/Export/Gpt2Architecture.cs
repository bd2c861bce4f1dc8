using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>GPT-2 and its kin (distilgpt2, medium, large, XL):
/// pre-LayerNorm, learned positions, fused QKV, GELU; weights stored [in, out] as Conv1D.</summary>
internal sealed class Gpt2Architecture(Gpt2Config config) : ModelArchitecture
{
    private const string Head = "lm_head.weight";

    public override ModelShape Shape { get; } = new("gpt2", config.Layers, config.Width, config.Heads, config.Heads, config.HeadWidth,
        config.InnerWidth, config.VocabularySize, config.Positions);

    public override IReadOnlyList<TensorSpec> Embeddings =>
        [new("wte.weight", config.VocabularySize, config.Width), new("wpe.weight", config.Positions, config.Width)];

    public override IReadOnlyList<BlockLayout> Blocks => [.. Enumerable.Range(0, config.Layers).Select(Block)];

    public override Norm LastNorm => Norm("ln_f");

    public override TensorSpec? OwnUnembedding => config.TieWordEmbeddings ? null : new(Head, config.VocabularySize, config.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new("gpt2", "transformer.", tensors, OwnUnembedding, Head, "h.", config.Layers, "n_layer", [".attn.bias", ".attn.masked_bias"]);

    private BlockLayout Block(int l) => new(
        new AttentionLayout(new HeadLayout.Fused(Shape, Conv1D($"h.{l}.attn.c_attn", config.Width, 3 * config.Width)),
            Conv1D($"h.{l}.attn.c_proj", config.Width, config.Width))
        {
            Before = Norm($"h.{l}.ln_1")
        },
        new MlpLayout(config.Activation, Conv1D($"h.{l}.mlp.c_fc", config.Width, config.InnerWidth), Up: null,
            Conv1D($"h.{l}.mlp.c_proj", config.InnerWidth, config.Width))
        {
            Before = Norm($"h.{l}.ln_2")
        });

    private Norm Norm(string name) => new(name, config.Width, IsRms: false, (float)config.LayerNormEpsilon);

    private static Linear Conv1D(string name, int from, int to) => new(name, from, to, OutFirst: false, HasBias: true);
}
