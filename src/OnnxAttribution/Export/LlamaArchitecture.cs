using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>Llama and its kin (SmolLM, Mistral, Qwen2): RMSNorm, rotary positions,
/// heads that share keys and values, gated MLP; weights stored [out, in].</summary>
internal sealed class LlamaArchitecture : ModelArchitecture
{
    private const string Head = "lm_head.weight";

    private readonly Variant _variant;
    private readonly RotaryConfig _rotary;
    private readonly Activation _activation;
    private readonly float _epsilon;
    private readonly bool _tied;

    /// <param name="QkvBias">Queries, keys and values have biases;
    /// <paramref name="OutBias"/> what attention adds, <paramref name="MlpBias"/> the MLP.</param>
    /// <param name="Window">A query looks at this many positions, its own the last; null: at all before it.</param>
    private readonly record struct Variant(bool QkvBias = false, bool OutBias = false, bool MlpBias = false, int? Window = null);

    private LlamaArchitecture(ConfigJson json, Variant variant, int defaultPositions)
    {
        _variant = variant;
        Shape = ConfigSizes.Read(json, defaultPositions);
        if (json.Boolean("rope_interleaved") is true)
        {
            throw json.Refuse("rope_interleaved", "only false is: a head's halves are turned together");
        }
        if (json.Number("partial_rotary_factor", 0, 1) is { } share and not 1)
        {
            throw json.Refuse("partial_rotary_factor", $"only 1 is: a {Shape.ModelType} turns whole heads");
        }
        _rotary = RotaryConfig.Read(json, Shape.HeadWidth, 1, json.Number("rope_theta", 1, 1e12) ?? 10000);
        if (_rotary.Width != Shape.HeadWidth) throw json.Refuse("rope_parameters", $"a {Shape.ModelType} turns whole heads");
        _activation = ConfigSizes.Activation(json, "silu");
        _epsilon = (float)(json.Number("rms_norm_eps", 1e-30, 1) ?? 1e-6);
        _tied = json.Boolean("tie_word_embeddings") ?? false;
    }

    /// <summary>Llama, SmolLM.</summary>
    public static LlamaArchitecture Llama(ConfigJson json)
    {
        var bias = json.Boolean("attention_bias") ?? false;
        return new(json, new Variant(bias, bias, json.Boolean("mlp_bias") ?? false), 2048);
    }

    /// <summary>Mistral: attention may look back a limited number of positions.</summary>
    public static LlamaArchitecture Mistral(ConfigJson json)
    {
        // null is no limit; Hugging Face's default is 4096
        var window = json.Keys.Contains("sliding_window") ? json.Integer("sliding_window", 1, int.MaxValue) : 4096;
        return new(WithSharedHeads(json), new Variant(Window: window), 131072);
    }

    /// <summary>Qwen2: biases on queries, keys and values.</summary>
    public static LlamaArchitecture Qwen2(ConfigJson json)
    {
        foreach (var key in (string[])["use_sliding_window", "use_mrope"])
        {
            if (json.Boolean(key) is true) throw json.Refuse(key, "only false is");
        }
        return new(WithSharedHeads(json), new Variant(QkvBias: true), 32768);
    }

    // its default is a number here, not that of the queries
    private static ConfigJson WithSharedHeads(ConfigJson json)
    {
        json.Require("num_key_value_heads", json.Integer("num_key_value_heads", 1, 1024));
        return json;
    }

    public override ModelShape Shape { get; }

    public override IReadOnlyList<TensorSpec> Embeddings => [new("embed_tokens.weight", Shape.VocabularySize, Shape.Width)];

    public override IEnumerable<Norm> Norms => Enumerable.Range(0, Shape.Layers).SelectMany(l => (Norm[])[Ln1(l), Ln2(l)]);

    public override Norm LastNorm => Norm("norm");

    public override IEnumerable<Linear> Writers => Enumerable.Range(0, Shape.Layers).SelectMany(l => (Linear[])[AttentionOut(l), Down(l)]);

    public override IEnumerable<ValuePath> Values =>
        Enumerable.Range(0, Shape.Layers)
            .Select(l => new ValuePath(ValueOf(l), i =>
                (i / Shape.HeadWidth / (Shape.Heads / Shape.KeyValueHeads) * Shape.HeadWidth) + (i % Shape.HeadWidth), AttentionOut(l)));

    public override TensorSpec? OwnUnembedding => _tied ? null : new(Head, Shape.VocabularySize, Shape.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(Shape.ModelType, "model.", tensors, OwnUnembedding, Head, "layers.", Shape.Layers, "num_hidden_layers",
            [".self_attn.rotary_emb.inv_freq"]);

    protected override Value Block(HookedGraphBuilder b, int l, string block, Value x)
    {
        var g = b.G;
        var normalized = b.Normalize($"{block}.ln1", x, Ln1(l));
        Value Heads(Linear linear, string name) =>
            b.Hook($"{block}.attn.hook_{name}",
                g.Reshape(b.Apply(linear, normalized), 0, 0, linear.Out / Shape.HeadWidth, Shape.HeadWidth));
        // [B, T, H or Hkv, dh]
        var (q, k, v) = (Heads(Query(l), "q"), Heads(Key(l), "k"), Heads(ValueOf(l), "v"));
        var turns = b.StratifiedDraw(x, _rotary);
        var window = _variant.Window < Shape.Positions ? _variant.Window : null;
        var z = b.Attend(block, b.Rotate($"{block}.attn.hook_rot_q", q, turns), b.Rotate($"{block}.attn.hook_rot_k", k, turns), v,
            b.CausalMask(x, window));
        var attention = b.Site($"{block}.hook_attn_out", b.Apply(AttentionOut(l), z));

        var middle = b.HookOrSite($"{block}.hook_resid_mid", g.Add(x, attention));
        var read = b.Normalize($"{block}.ln2", middle, Ln2(l));
        var inner = g.Mul(b.Activate(_activation, b.Apply(Gate(l), read)), b.Apply(Up(l), read));
        return g.Add(middle, b.Site($"{block}.hook_mlp_out", b.Apply(Down(l), inner)));
    }

    private Norm Ln1(int l) => Norm($"layers.{l}.input_layernorm", Query(l), Key(l), ValueOf(l));

    private Norm Ln2(int l) => Norm($"layers.{l}.post_attention_layernorm", Gate(l), Up(l));

    private Norm Norm(string name, params Linear[] readBy) => new(name, IsRms: true, _epsilon, readBy);

    private Linear Query(int l) => Attention(l, "q_proj", Shape.Heads);

    private Linear Key(int l) => Attention(l, "k_proj", Shape.KeyValueHeads);

    private Linear ValueOf(int l) => Attention(l, "v_proj", Shape.KeyValueHeads);

    private Linear Attention(int l, string name, int heads) =>
        new($"layers.{l}.self_attn.{name}", Shape.Width, heads * Shape.HeadWidth, OutFirst: true, _variant.QkvBias);

    private Linear AttentionOut(int l) =>
        new($"layers.{l}.self_attn.o_proj", Shape.Heads * Shape.HeadWidth, Shape.Width, OutFirst: true, _variant.OutBias);

    private Linear Gate(int l) => new($"layers.{l}.mlp.gate_proj", Shape.Width, Shape.InnerWidth, OutFirst: true, _variant.MlpBias);

    private Linear Up(int l) => new($"layers.{l}.mlp.up_proj", Shape.Width, Shape.InnerWidth, OutFirst: true, _variant.MlpBias);

    private Linear Down(int l) => new($"layers.{l}.mlp.down_proj", Shape.InnerWidth, Shape.Width, OutFirst: true, _variant.MlpBias);
}
