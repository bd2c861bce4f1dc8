using OnnxAttribution.Checkpoints;

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

    public override IReadOnlyList<BlockLayout> Blocks => [.. Enumerable.Range(0, Shape.Layers).Select(Block)];

    public override Norm LastNorm => Norm("norm");

    public override TensorSpec? OwnUnembedding => _tied ? null : new(Head, Shape.VocabularySize, Shape.Width);

    protected override CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors) =>
        new(Shape.ModelType, "model.", tensors, OwnUnembedding, Head, "layers.", Shape.Layers, "num_hidden_layers",
            [".self_attn.rotary_emb.inv_freq"]);

    private BlockLayout Block(int l)
    {
        var (heads, shared, inner) = (Shape.Heads * Shape.HeadWidth, Shape.KeyValueHeads * Shape.HeadWidth, Shape.InnerWidth);
        Linear Attention(string name, int width) =>
            new($"layers.{l}.self_attn.{name}", Shape.Width, width, OutFirst: true, _variant.QkvBias);
        Linear Mlp(string name, int from, int to) => new($"layers.{l}.mlp.{name}", from, to, OutFirst: true, _variant.MlpBias);
        return new BlockLayout(
            new AttentionLayout(Norm($"layers.{l}.input_layernorm"),
                new HeadLayout.Separate(Shape, Attention("q_proj", heads), Attention("k_proj", shared), Attention("v_proj", shared)),
                new Linear($"layers.{l}.self_attn.o_proj", heads, Shape.Width, OutFirst: true, _variant.OutBias))
            {
                Rotary = _rotary,
                Window = _variant.Window < Shape.Positions ? _variant.Window : null,
            },
            new MlpLayout(Norm($"layers.{l}.post_attention_layernorm"), _activation, Mlp("gate_proj", Shape.Width, inner),
                Mlp("up_proj", Shape.Width, inner), Mlp("down_proj", inner, Shape.Width)));
    }

    private Norm Norm(string name) => new(name, IsRms: true, _epsilon);
}
