using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Llama and its kin (SmolLM, Mistral, Qwen2, Qwen3, OLMo 2, Gemma 2 and 3): RMSNorm, rotary positions,
/// heads that may share keys and values, gated MLP; weights stored [out, in].</summary>
internal sealed class LlamaArchitecture(LlamaVariant variant) : ModelArchitecture
{
    private const string Head = "lm_head.weight";

    public override ModelShape Shape => variant.Shape;

    public override IReadOnlyList<TensorSpec> Embeddings => [new("embed_tokens.weight", Shape.VocabularySize, Shape.Width)];

    public override IReadOnlyList<BlockLayout> Blocks => [.. Enumerable.Range(0, Shape.Layers).Select(Block)];

    public override Norm LastNorm => Norm("norm");

    public override float? EmbeddingScale => variant.EmbeddingScale;

    public override float? LogitCap => variant.Caps.Logits;

    public override TensorSpec? OwnUnembedding => variant.IsTied ? null : new(Head, Shape.VocabularySize, Shape.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(Shape.ModelType, "model.", tensors, OwnUnembedding, Head, "layers.", Shape.Layers, "num_hidden_layers",
            [".self_attn.rotary_emb.inv_freq"]);

    private BlockLayout Block(int l)
    {
        Norm Before(string name) => Norm($"layers.{l}.{name}");
        Norm After(string name) => Before(name) with { IsKept = true };
        var (attention, mlp) = (Attention(l, $"layers.{l}.self_attn"), Mlp($"layers.{l}.mlp"));
        return variant.Norms switch
        {
            NormPlaces.Behind => new(
                attention with { After = After("post_attention_layernorm") }, mlp with { After = After("post_feedforward_layernorm") }),
            NormPlaces.Around => new(
                attention with { Before = Before("input_layernorm"), After = After("post_attention_layernorm") },
                mlp with { Before = Before("pre_feedforward_layernorm"), After = After("post_feedforward_layernorm") }),
            _ => new(
                attention with { Before = Before("input_layernorm") },
                mlp with { Before = Before("post_attention_layernorm") }),
        };
    }

    private AttentionLayout Attention(int l, string name)
    {
        var (heads, shared) = (Shape.Heads * Shape.HeadWidth, Shape.KeyValueHeads * Shape.HeadWidth);
        Linear From(string part, int width) => new($"{name}.{part}", Shape.Width, width, OutFirst: true, variant.QkvBias);
        return new AttentionLayout(
            new HeadLayout.Separate(Shape, From("q_proj", heads), From("k_proj", shared), From("v_proj", shared)),
            new Linear($"{name}.o_proj", heads, Shape.Width, OutFirst: true, variant.OutBias))
        {
            QueryNorm = OfHeads($"{name}.q_norm", heads),
            KeyNorm = OfHeads($"{name}.k_norm", shared),
            Rotary = variant.RotaryOf?.Invoke(l) ?? variant.Rotary,
            Window = variant.Window < Shape.Positions && variant.HasWindow(l) ? variant.Window : null,
            Scale = variant.ScoreScale,
            Cap = variant.Caps.Scores,
        };
    }

    private MlpLayout Mlp(string name)
    {
        Linear Of(string part, int from, int to) => new($"{name}.{part}", from, to, OutFirst: true, variant.MlpBias);
        return new MlpLayout(variant.Activation, Of("gate_proj", Shape.Width, Shape.InnerWidth),
            Of("up_proj", Shape.Width, Shape.InnerWidth), Of("down_proj", Shape.InnerWidth, Shape.Width));
    }

    private Norm Norm(string name) => new(name, Shape.Width, IsRms: true, variant.Epsilon) { Offset = variant.NormOffset };

    private Norm? OfHeads(string name, int all) => variant.QueryKeyNorm switch
    {
        QueryKeyNorm.Head => Norm(name) with { Width = Shape.HeadWidth, IsKept = true },
        QueryKeyNorm.AllHeads => Norm(name) with { Width = all, IsKept = true },
        _ => null,
    };
}
