using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

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
        _activation = ConfigSizes.Activation(json, "gelu");
        _epsilon = (float)(json.Number("layer_norm_eps", 1e-30, 1) ?? 1e-5);
        _parallel = json.Boolean("use_parallel_residual") ?? true;
        _attentionBias = json.Boolean("attention_bias") ?? true;
        _tied = json.Boolean("tie_word_embeddings") ?? false;
    }

    public override ModelShape Shape { get; }

    public override IReadOnlyList<TensorSpec> Embeddings => [new("embed_in.weight", Shape.VocabularySize, Shape.Width)];

    public override IEnumerable<Norm> Norms => Enumerable.Range(0, Shape.Layers).SelectMany(l => (Norm[])[Ln1(l), Ln2(l)]);

    public override Norm LastNorm => Norm("final_layer_norm");

    public override IEnumerable<Linear> Writers =>
        Enumerable.Range(0, Shape.Layers).SelectMany(l => (Linear[])[AttentionOut(l), MlpOut(l)]);

    public override IEnumerable<ValuePath> Values =>
        Enumerable.Range(0, Shape.Layers).Select(l =>
            new ValuePath(Qkv(l), i => ((((i / Shape.HeadWidth) * 3) + 2) * Shape.HeadWidth) + (i % Shape.HeadWidth), AttentionOut(l)));

    public override TensorSpec? OwnUnembedding => _tied ? null : new(Head, Shape.VocabularySize, Shape.Width);

    public override bool IsParallel => _parallel;

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(Shape.ModelType, "gpt_neox.", tensors, OwnUnembedding, Head, "layers.", Shape.Layers, "num_hidden_layers",
            [".attention.bias", ".attention.masked_bias", ".attention.rotary_emb.inv_freq"]);

    protected override Value Block(HookedGraphBuilder b, int l, string block, Value x)
    {
        var g = b.G;
        long width = Shape.HeadWidth;
        var qkv = g.Reshape(b.Apply(Qkv(l), b.Normalize($"{block}.ln1", x, Ln1(l))), 0, 0, Shape.Heads, 3 * width);      // [B, T, H, 3 dh]
        var parts = g.Emit("Split", [qkv, g.Ints(width, width, width)], 3, ("axis", -1L));
        Value Head(int i, string name) => b.Hook($"{block}.attn.hook_{name}", parts[i]);                                  // [B, T, H, dh]
        var (q, k, v) = (Head(0, "q"), Head(1, "k"), Head(2, "v"));
        var turns = b.StratifiedDraw(x, _rotary);
        var z = b.Attend(block, b.Rotate($"{block}.attn.hook_rot_q", q, turns), b.Rotate($"{block}.attn.hook_rot_k", k, turns), v,
            b.CausalMask(x));
        var attention = b.Site($"{block}.hook_attn_out", b.Apply(AttentionOut(l), z));

        var middle = _parallel ? x : b.HookOrSite($"{block}.hook_resid_mid", g.Add(x, attention));
        var inner = b.Activate(_activation, b.Apply(MlpIn(l), b.Normalize($"{block}.ln2", middle, Ln2(l))));
        var mlp = b.Site($"{block}.hook_mlp_out", b.Apply(MlpOut(l), inner));
        return g.Add(_parallel ? g.Add(x, attention) : middle, mlp);
    }

    private Norm Ln1(int l) => Norm($"layers.{l}.input_layernorm", Qkv(l));

    private Norm Ln2(int l) => Norm($"layers.{l}.post_attention_layernorm", MlpIn(l));

    private Norm Norm(string name, params Linear[] readBy) => new(name, IsRms: false, _epsilon, readBy);

    private Linear Qkv(int l) => new($"layers.{l}.attention.query_key_value", Shape.Width, 3 * Shape.Width, OutFirst: true, _attentionBias);

    private Linear AttentionOut(int l) => new($"layers.{l}.attention.dense", Shape.Width, Shape.Width, OutFirst: true, _attentionBias);

    private Linear MlpIn(int l) => new($"layers.{l}.mlp.dense_h_to_4h", Shape.Width, Shape.InnerWidth, OutFirst: true, HasBias: true);

    private Linear MlpOut(int l) => new($"layers.{l}.mlp.dense_4h_to_h", Shape.InnerWidth, Shape.Width, OutFirst: true, HasBias: true);
}
