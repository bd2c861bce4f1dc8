using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Reads config.json of GPT-Neo, OPT and Phi.</summary>
internal static class LayerNormFamily
{
    /// <summary>GPT-Neo, TinyStories: learned positions, scores that are not scaled, a window in every other layer.</summary>
    public static ModelArchitecture GptNeo(ConfigJson json)
    {
        var shape = ConfigSizes.Read(json, 2048, new SizeKeys("num_layers", "num_heads") { InnerMayBeMissing = true });
        var kinds = AttentionKinds(json, shape.Layers);
        var window = json.Integer("window_size", 1, int.MaxValue) ?? 256;
        var names = new LayerNormNames("transformer.", ["wte", "wpe"], "h", "attn.attention", "out_proj", ("ln_1", "ln_2", "ln_f"),
            ("mlp.c_fc", "mlp.c_proj"), "num_layers", [".attn.attention.bias", ".attn.attention.masked_bias"]);
        return new LayerNormArchitecture(shape, names, ConfigSizes.Activation(json, "activation_function", "gelu_new"),
            (float)(json.Number("layer_norm_epsilon", 1e-30, 1) ?? 1e-5))
        {
            QkvBias = false,
            IsTied = json.Boolean("tie_word_embeddings") ?? true,
            Attention = (l, attention) => attention with
            {
                Scale = 1,
                Window = kinds[l] == "local" && window < shape.Positions ? window : null
            },
        };
    }

    /// <summary>OPT: learned positions, of which the first two rows are for other things.</summary>
    public static ModelArchitecture Opt(ConfigJson json)
    {
        foreach (var (key, wanted) in ((string, bool)[])[("do_layer_norm_before", true), ("_remove_final_layer_norm", false),
            ("layer_norm_elementwise_affine", true)])
        {
            if (json.Boolean(key) is { } said && said != wanted)
            {
                throw json.Refuse(key, $"only {(wanted ? "true" : "false")} is; {CheckpointFolder.ExportTorch}");
            }
        }
        var shape = ConfigSizes.Read(json, 2048, new SizeKeys(Inner: "ffn_dim"));
        if (json.Integer("word_embed_proj_dim", 1, 1 << 16) is { } width && width != shape.Width)
        {
            throw json.Refuse("word_embed_proj_dim",
                $"only the model's own width, {shape.Width}, is: the embedding is the residual stream; {CheckpointFolder.ExportTorch}");
        }
        var bias = json.Boolean("enable_bias") ?? true;
        var names = new LayerNormNames("model.decoder.", ["embed_tokens", "embed_positions"], "layers", "self_attn", "out_proj",
            ("self_attn_layer_norm", "final_layer_norm", "final_layer_norm"), ("fc1", "fc2"), "num_hidden_layers", []);
        return new LayerNormArchitecture(shape, names, ConfigSizes.Activation(json, "activation_function", "relu"), 1e-5f)
        {
            QkvBias = bias,
            Bias = bias,
            IsTied = json.Boolean("tie_word_embeddings") ?? true,
            FirstPosition = 2,
        };
    }

    /// <summary>Phi-1, 1.5 and 2: attention and MLP in parallel behind one norm, rotary positions on part of each head,
    /// an unembedding with a bias.</summary>
    public static ModelArchitecture Phi(ConfigJson json)
    {
        if (json.Boolean("qk_layernorm") is true) throw json.Refuse("qk_layernorm", $"only false is; {CheckpointFolder.ExportTorch}");
        var shape = ConfigSizes.Read(json, 2048);
        var rotary = RotaryConfig.Read(json, shape.HeadWidth, json.Number("partial_rotary_factor", 0, 1) ?? 0.5,
            json.Number("rope_theta", 1, 1e12) ?? 10000);
        var names = new LayerNormNames("model.", ["embed_tokens"], "layers", "self_attn", "dense",
            ("input_layernorm", "input_layernorm", "final_layernorm"), ("mlp.fc1", "mlp.fc2"), "num_hidden_layers",
            [".self_attn.rotary_emb.inv_freq"]);
        return new LayerNormArchitecture(shape, names, ConfigSizes.Activation(json, "hidden_act", "gelu_new"),
            (float)(json.Number("layer_norm_eps", 1e-30, 1) ?? 1e-5))
        {
            IsTied = json.Boolean("tie_word_embeddings") ?? false,
            HeadBias = true,
            InParallel = true,
            Attention = (_, attention) => attention with { Rotary = rotary },
        };
    }

    // [[["global", "local"], 6]]: six times one after the other
    private static IReadOnlyList<string> AttentionKinds(ConfigJson json, int layers)
    {
        List<string> kinds = json.Has("attention_types") ? [.. json.Repeated("attention_types")]
            : json.Has("attention_layers") ? [.. json.Strings("attention_layers")]
            : [.. Enumerable.Range(0, layers).Select(l => l % 2 == 0 ? "global" : "local")];
        return kinds.Count == layers && kinds.TrueForAll(k => k is "global" or "local") ? kinds
            : throw json.Refuse(json.Has("attention_types") ? "attention_types" : "attention_layers",
                $"it must say 'global' or 'local' of each of {layers} layers");
    }
}
