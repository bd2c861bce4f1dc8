using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>What a checkpoint calls the parts of a <see cref="LayerNormArchitecture"/>.</summary>
/// <param name="Prefix">Stands before every name of a model with a head.</param>
/// <param name="Embeddings">Of tokens, and of positions where they are learned.</param>
/// <param name="Blocks">The list of blocks.</param>
/// <param name="Attention">Holds q_proj, k_proj, v_proj and <paramref name="Out"/>.</param>
/// <param name="Norms">Before attention, before the MLP (the same: one norm is read by both), and the last.</param>
/// <param name="Layers">config.json's key for the number of blocks.</param>
/// <param name="Buffers">Ends of names that are no weights.</param>
internal sealed record LayerNormNames(string Prefix, IReadOnlyList<string> Embeddings, string Blocks, string Attention, string Out,
    (string Attention, string Mlp, string Last) Norms, (string In, string Out) Mlp, string Layers, IReadOnlyList<string> Buffers);

/// <summary>GPT-Neo, OPT and Phi: LayerNorm, queries, keys and values each with a layer of their own, an MLP without a gate;
/// weights stored [out, in].</summary>
internal sealed class LayerNormArchitecture(ModelShape shape, LayerNormNames names, Activation activation, float epsilon)
    : ModelArchitecture
{
    private const string Head = "lm_head";

    /// <summary>Queries, keys and values have biases.</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>All other layers have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>The tokens' embedding is the unembedding too.</summary>
    public bool IsTied { get; init; } = true;

    /// <summary>The unembedding has a bias.</summary>
    public bool HeadBias { get; init; }

    /// <summary>What a block's attention is beside its layers and its norm.</summary>
    public Func<int, AttentionLayout, AttentionLayout> Attention { get; init; } = (_, attention) => attention;

    public bool InParallel { get; init; }

    public override int FirstPosition { get; init; }

    public override ModelShape Shape => shape;

    public override IReadOnlyList<TensorSpec> Embeddings =>
        [.. names.Embeddings.Select((name, i) =>
            new TensorSpec($"{name}.weight", i == 0 ? shape.VocabularySize : shape.Positions + FirstPosition, shape.Width))];

    public override IReadOnlyList<BlockLayout> Blocks => [.. Enumerable.Range(0, shape.Layers).Select(Block)];

    public override Norm LastNorm => Norm(names.Norms.Last);

    public override TensorSpec? OwnUnembedding => IsTied ? null : new($"{Head}.weight", shape.VocabularySize, shape.Width);

    public override TensorSpec? UnembeddingBias => HeadBias ? new($"{Head}.bias", shape.VocabularySize) : null;

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(shape.ModelType, names.Prefix, tensors, OwnUnembedding, $"{Head}.weight", names.Blocks + ".", shape.Layers, names.Layers,
            names.Buffers)
        {
            UnembeddingBias = UnembeddingBias
        };

    private BlockLayout Block(int l)
    {
        var block = $"{names.Blocks}.{l}";
        var (heads, shared) = (shape.Heads * shape.HeadWidth, shape.KeyValueHeads * shape.HeadWidth);
        Linear Part(string name, int width) => Linear($"{block}.{names.Attention}.{name}", shape.Width, width, QkvBias);
        var attention = new AttentionLayout(
            new HeadLayout.Separate(shape, Part("q_proj", heads), Part("k_proj", shared), Part("v_proj", shared)),
            Linear($"{block}.{names.Attention}.{names.Out}", heads, shape.Width, Bias))
        {
            Before = Norm($"{block}.{names.Norms.Attention}")
        };
        var mlp = new MlpLayout(activation, Linear($"{block}.{names.Mlp.In}", shape.Width, shape.InnerWidth, Bias), Up: null,
            Linear($"{block}.{names.Mlp.Out}", shape.InnerWidth, shape.Width, Bias))
        {
            Before = Norm($"{block}.{names.Norms.Mlp}")
        };
        return new BlockLayout(Attention(l, attention), mlp, InParallel);
    }

    private Norm Norm(string name) => new(name, shape.Width, IsRms: false, epsilon);

    private static Linear Linear(string name, int from, int to, bool bias) => new(name, from, to, OutFirst: true, bias);
}
