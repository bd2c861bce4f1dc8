using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

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

    public override IEnumerable<Norm> Norms => Enumerable.Range(0, config.Layers).SelectMany(l => (Norm[])[Ln1(l), Ln2(l)]);

    public override Norm LastNorm => Norm("ln_f");

    public override IEnumerable<Linear> Writers =>
        Enumerable.Range(0, config.Layers).SelectMany(l => (Linear[])[AttentionOut(l), MlpOut(l)]);

    public override IEnumerable<ValuePath> Values =>
        Enumerable.Range(0, config.Layers).Select(l => new ValuePath(Qkv(l), i => (2 * config.Width) + i, AttentionOut(l)));

    public override TensorSpec? OwnUnembedding => config.TieWordEmbeddings ? null : new(Head, config.VocabularySize, config.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new("gpt2", "transformer.", tensors, OwnUnembedding, Head, "h.", config.Layers, "n_layer", [".attn.bias", ".attn.masked_bias"]);

    protected override Value Embed(HookedGraphBuilder b, Value tokens)
    {
        var g = b.G;
        var positions = g.Range(g.Int(0), g.Squeeze(g.Shape(tokens, 1, 2), 0), g.Int(1));
        return g.Add(base.Embed(b, tokens), g.Gather(b.Weight("wpe.weight"), positions, 0));   // [B, T, d]
    }

    protected override Value Block(HookedGraphBuilder b, int l, string block, Value x)
    {
        var g = b.G;
        var qkv = b.Apply(Qkv(l), b.Normalize($"{block}.ln1", x, Ln1(l)));
        var parts = g.Emit("Split", [qkv, g.Ints(config.Width, config.Width, config.Width)], 3, ("axis", -1L));
        Value Heads(int i, string name) => b.Hook($"{block}.attn.hook_{name}", g.Reshape(parts[i], 0, 0, config.Heads, config.HeadWidth));
        var z = b.Attend(block, Heads(0, "q"), Heads(1, "k"), Heads(2, "v"), b.CausalMask(x));
        var attention = b.Site($"{block}.hook_attn_out", b.Apply(AttentionOut(l), z));

        var middle = b.HookOrSite($"{block}.hook_resid_mid", g.Add(x, attention));
        var inner = b.Apply(MlpIn(l), b.Normalize($"{block}.ln2", middle, Ln2(l)));
        var mlp = b.Site($"{block}.hook_mlp_out", b.Apply(MlpOut(l), b.Activate(config.Activation, inner)));
        return g.Add(middle, mlp);
    }

    private Norm Ln1(int l) => Norm($"h.{l}.ln_1", Qkv(l));

    private Norm Ln2(int l) => Norm($"h.{l}.ln_2", MlpIn(l));

    private Norm Norm(string name, params Linear[] readBy) => new(name, IsRms: false, (float)config.LayerNormEpsilon, readBy);

    private Linear Qkv(int l) => Conv1D($"h.{l}.attn.c_attn", config.Width, 3 * config.Width);

    private Linear AttentionOut(int l) => Conv1D($"h.{l}.attn.c_proj", config.Width, config.Width);

    private Linear MlpIn(int l) => Conv1D($"h.{l}.mlp.c_fc", config.Width, config.InnerWidth);

    private Linear MlpOut(int l) => Conv1D($"h.{l}.mlp.c_proj", config.InnerWidth, config.Width);

    private static Linear Conv1D(string name, int from, int to) => new(name, from, to, OutFirst: false, HasBias: true);
}
