using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Reads config.json of Llama and of those that differ from it in biases, windows and the places of norms.</summary>
internal static class LlamaFamily
{
    /// <summary>Llama, SmolLM.</summary>
    public static ModelArchitecture Llama(ConfigJson json)
    {
        var bias = json.Boolean("attention_bias") ?? false;
        return Of(Read(json, 2048) with { QkvBias = bias, OutBias = bias, MlpBias = json.Boolean("mlp_bias") ?? false });
    }

    /// <summary>Mistral: attention may look back a limited number of positions.</summary>
    public static ModelArchitecture Mistral(ConfigJson json)
    {
        // null is no limit; Hugging Face's default is 4096
        var window = json.Keys.Contains("sliding_window") ? json.Integer("sliding_window", 1, int.MaxValue) : 4096;
        return Of(Read(WithSharedHeads(json), 131072) with { Window = window });
    }

    /// <summary>Qwen2: biases on queries, keys and values.</summary>
    public static ModelArchitecture Qwen2(ConfigJson json) =>
        Of(Read(WithSharedHeads(WithoutWindow(json)), 32768) with { QkvBias = true });

    /// <summary>Qwen3: no such biases, queries and keys are normalised head by head.</summary>
    public static ModelArchitecture Qwen3(ConfigJson json)
    {
        var bias = json.Boolean("attention_bias") ?? false;
        return Of(Read(WithSharedHeads(WithoutWindow(json)), 32768, new SizeKeys(HeadWidth: 128)) with
        {
            QkvBias = bias,
            OutBias = bias,
            QueryKeyNorm = QueryKeyNorm.Head
        });
    }

    /// <summary>OLMo 2: norms behind the sublayers and none before, queries and keys are normalised over all heads side by side.</summary>
    public static ModelArchitecture Olmo2(ConfigJson json)
    {
        var bias = json.Boolean("attention_bias") ?? false;
        return Of(Read(json, 2048) with
        {
            QkvBias = bias,
            OutBias = bias,
            Norms = NormPlaces.Behind,
            QueryKeyNorm = QueryKeyNorm.AllHeads
        });
    }

    private static LlamaArchitecture Of(LlamaVariant variant) => new(variant);

    private static LlamaVariant Read(ConfigJson json, int defaultPositions, SizeKeys? keys = null)
    {
        var shape = ConfigSizes.Read(json, defaultPositions, keys);
        if (json.Boolean("rope_interleaved") is true)
        {
            throw json.Refuse("rope_interleaved", "only false is: a head's halves are turned together");
        }
        if (json.Number("partial_rotary_factor", 0, 1) is { } share and not 1)
        {
            throw json.Refuse("partial_rotary_factor", $"only 1 is: a {shape.ModelType} turns whole heads");
        }
        var rotary = RotaryConfig.Read(json, shape.HeadWidth, 1, json.Number("rope_theta", 1, 1e12) ?? 10000);
        if (rotary.Width != shape.HeadWidth) throw json.Refuse("rope_parameters", $"a {shape.ModelType} turns whole heads");
        return new LlamaVariant(shape, ConfigSizes.Activation(json, "hidden_act", "silu"), rotary,
            (float)(json.Number("rms_norm_eps", 1e-30, 1) ?? 1e-6), json.Boolean("tie_word_embeddings") ?? false);
    }

    // its default is a number here, not that of the queries
    private static ConfigJson WithSharedHeads(ConfigJson json)
    {
        json.Require("num_key_value_heads", json.Integer("num_key_value_heads", 1, 1024));
        return json;
    }

    private static ConfigJson WithoutWindow(ConfigJson json)
    {
        foreach (var key in (string[])["use_sliding_window", "use_mrope"])
        {
            if (json.Boolean(key) is true) throw json.Refuse(key, "only false is");
        }
        return json;
    }
}
