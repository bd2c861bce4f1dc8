using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Reads config.json of Gemma's language models: Llama's blocks with norms around the sublayers that scale by 1 + w, a scaled
/// embedding, GeGLU, and windows in some layers.</summary>
internal static class GemmaFamily
{
    private const string Sliding = "sliding_attention", Full = "full_attention";

    /// <summary>Gemma 2: soft caps of scores and logits, a window in every other layer from the first on.</summary>
    public static ModelArchitecture Gemma2(ConfigJson json)
    {
        var read = Read(json, 8192, RotaryConfig.Read);
        var kinds = Kinds(json, read.Shape.Layers, l => l % 2 == 0);
        return new LlamaArchitecture(read with { HasWindow = l => kinds[l] == Sliding });
    }

    /// <summary>The language models of Gemma 3: norms of queries and keys, five layers with a window to one without, other rotary
    /// frequencies in those with one; no soft caps.</summary>
    public static ModelArchitecture Gemma3(ConfigJson json)
    {
        var pattern = json.Integer("sliding_window_pattern", 1, 1024) ?? json.Integer("_sliding_window_pattern", 1, 1024) ?? 6;
        var read = Read(json, 131072, (j, width, share, theta) => Rotary(j, Full, width, j.Number("rope_theta", 1, 1e12) ?? 1e6));
        var near = Rotary(json, Sliding, read.Shape.HeadWidth, json.Number("rope_local_base_freq", 1, 1e12) ?? 10000);
        var kinds = Kinds(json, read.Shape.Layers, l => (l + 1) % pattern != 0);
        return new LlamaArchitecture(read with
        {
            HasWindow = l => kinds[l] == Sliding,
            RotaryOf = l => kinds[l] == Sliding ? near : read.Rotary,
            QueryKeyNorm = QueryKeyNorm.Head,
            Caps = (Cap(json, "attn_logit_softcapping", null), Cap(json, "final_logit_softcapping", null)),
        });
    }

    // older configs have one rope_scaling, of the layers without a window; newer ones rope_parameters of either kind
    private static RotaryConfig Rotary(ConfigJson json, string kind, int width, double theta)
    {
        var both = json.Object("rope_parameters");
        var given = both is null ? kind == Full ? json.Object("rope_scaling") : null
            : both.Object(kind) ?? throw both.Refuse(kind, $"it must say the frequencies of layers of '{Full}' and of '{Sliding}'");
        return RotaryConfig.Read(json, given, width, 1, theta);
    }

    private static LlamaVariant Read(ConfigJson json, int defaultPositions, Func<ConfigJson, int, double, double, RotaryConfig> rotary)
    {
        var shape = ConfigSizes.Read(json, defaultPositions, new SizeKeys(HeadWidth: 256));
        if (json.Boolean("use_bidirectional_attention") is true)
        {
            throw json.Refuse("use_bidirectional_attention", "only false is: a model that predicts the next token sees none behind it");
        }
        var bias = json.Boolean("attention_bias") ?? false;
        // what is older than hidden_activation called it hidden_act, and Hugging Face no longer reads that
        return new LlamaVariant(shape, ConfigSizes.Activation(json, "hidden_activation", "gelu_pytorch_tanh"),
            rotary(json, shape.HeadWidth, 1, json.Number("rope_theta", 1, 1e12) ?? 10000),
            (float)(json.Number("rms_norm_eps", 1e-30, 1) ?? 1e-6), json.Boolean("tie_word_embeddings") ?? true)
        {
            QkvBias = bias,
            OutBias = bias,
            Norms = NormPlaces.Around,
            NormOffset = 1,
            EmbeddingScale = MathF.Sqrt(shape.Width),
            ScoreScale = (float)(1 / Math.Sqrt(json.Number("query_pre_attn_scalar", 1e-6, 1e6) ?? 256)),
            Caps = (Cap(json, "attn_logit_softcapping", 50), Cap(json, "final_logit_softcapping", 30)),
            Window = json.Integer("sliding_window", 1, int.MaxValue) ?? 4096,
        };
    }

    // null is no cap
    private static float? Cap(ConfigJson json, string key, double? otherwise) =>
        (float?)(json.Keys.Contains(key) ? json.Number(key, 1e-6, 1e6) : otherwise);

    // newer configs say it layer by layer
    private static IReadOnlyList<string> Kinds(ConfigJson json, int layers, Func<int, bool> isLocal)
    {
        if (!json.Has("layer_types")) return [.. Enumerable.Range(0, layers).Select(l => isLocal(l) ? Sliding : Full)];
        List<string> kinds = [.. json.Strings("layer_types")];
        return kinds.Count == layers && kinds.TrueForAll(k => k is Sliding or Full) ? kinds
            : throw json.Refuse("layer_types", $"it must say '{Sliding}' or '{Full}' of each of {layers} layers");
    }
}
