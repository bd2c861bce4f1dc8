using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// circuit-tracer's transcoders: <c>config.yaml</c> beside <c>layer_3.safetensors</c>, one transcoder a layer, or beside
/// <c>W_enc_3.safetensors</c> and <c>W_dec_3.safetensors</c>, a cross-layer transcoder whose features write to their own and every later
/// MLP's output.
/// </summary>
/// <remarks>
/// Source: decoderesearch/circuit-tracer (<c>single_layer_transcoder.py</c>, <c>cross_layer_transcoder.py</c>, <c>hf_utils.py</c>). W_enc
/// is [features, d]. JumpReLU passes what is strictly above its threshold; TopK keeps the k largest with their sign. The first position,
/// or the first four of gemma-3's instruction models, has neither features nor errors. The model is loaded as its checkpoint has it.
/// </remarks>
internal static partial class CircuitTracerFormat
{
    public const string Name = "circuit_tracer", ConfigFileName = "config.yaml";

    private const string Threshold = "activation_function.threshold";

    /// <summary>Whether a file beside a config.yaml is one of a set.</summary>
    public static bool IsName(string name) => PerLayer.IsMatch(name) || Encoder.IsMatch(name);

    /// <summary>Whether a file holds the decoder of a cross-layer transcoder, which is read with its encoder.</summary>
    public static bool IsDecoderName(string name) => Decoder.IsMatch(name);

    /// <summary>The file with the decoder that belongs to one with an encoder; null of a transcoder that has both in one.</summary>
    public static string? DecoderOf(string path) => Encoder.Match(Path.GetFileName(path)) is { Success: true } match
        ? Path.Combine(Path.GetDirectoryName(path)!, $"W_dec_{match.Groups["layer"].Value}.safetensors") : null;

    /// <summary>One transcoder of a set.</summary>
    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var json = Config(state.Path, "transcoder_set");
        var layer = LayerOf(PerLayer, state.Path);
        var (features, width) = state.Matrix("W_enc");
        var activation = Activation(json, state, state.Has(Threshold), layer);
        var hasSkip = state.Has("W_skip");
        List<ConvertedTensor> tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["W_enc"].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", state.Vector("b_enc", features)),
            ConvertedTensor.Matrix("W_dec", state["W_dec"].Require(features, width)),
            ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
        ];
        if (activation == DictionaryArchitecture.JumpRelu) tensors.Add(Thresholds(state, Threshold, features));
        if (hasSkip) tensors.Add(ConvertedTensor.Matrix("W_skip", state["W_skip"].Require(width, width)));
        var config = Converted(json, layer, activation, (width, features), hasSkip);
        if (activation == DictionaryArchitecture.TopK) config["k"] = K(json, state, features);
        state.RequireAllRead("transcoder");
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    /// <summary>One layer of a cross-layer transcoder.</summary>
    /// <param name="encoder">W_enc_i, b_enc_i, b_dec_i and perhaps threshold_i.</param>
    /// <param name="decoder">W_dec_i, [features, layers − i, d].</param>
    /// <param name="all">Layers of the set (<see cref="LayersOf"/>).</param>
    /// <param name="files">Become the conversion's.</param>
    public static DictionaryConversion OpenCrossLayer(StateDictionary encoder, StateDictionary decoder, int all, IDisposable files)
    {
        var json = Config(encoder.Path, "cross_layer_transcoder");
        var layer = LayerOf(Encoder, encoder.Path);
        string Of(string name) => string.Create(CultureInfo.InvariantCulture, $"{name}_{layer}");
        var (features, width) = encoder.Matrix(Of("W_enc"));
        if (encoder.Has(Of("W_skip")) || encoder.Has("W_skip"))
        {
            throw new CheckpointException(encoder.Path, "has a skip, which of a cross-layer transcoder is not read; "
                + "only per-layer transcoders may have one.");
        }
        var layers = all - layer;
        var activation = Activation(json, encoder, encoder.Has(Of("threshold")), layer);
        if (activation == DictionaryArchitecture.TopK)
        {
            throw json.Refuse("activation", "of a cross-layer transcoder 'relu' and 'jump_relu' are");
        }
        if (decoder[Of("W_dec")].Shape is [_, var there, _] && there != layers)
        {
            throw new CheckpointException(decoder.Path, $"writes {there} layers from {layer} on, and there are files of layers 0 to "
                + $"{all - 1}: a cross-layer transcoder is one of all layers; download those that are missing.");
        }
        var written = decoder[Of("W_dec")].Require(features, layers, width);
        List<ConvertedTensor> tensors =
        [
            ConvertedTensor.Matrix("W_enc", encoder[Of("W_enc")].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", encoder.Vector(Of("b_enc"), features)),
            ConvertedTensor.Matrix("W_dec", written with { Shape = [features, layers * width], Strides = [layers * width, 1] }),
            ConvertedTensor.Vector("b_dec", encoder.Vector(Of("b_dec"), width)),
        ];
        if (activation == DictionaryArchitecture.JumpRelu) tensors.Add(Thresholds(encoder, Of("threshold"), features));
        encoder.RequireAllRead("cross-layer transcoder");
        decoder.RequireAllRead("cross-layer transcoder");
        var config = Converted(json, layer, activation, (width, features), hasSkip: false);
        config[TranscoderConfig.LayersKey] = layers;
        return new DictionaryConversion(encoder.Path, Name, files, config, tensors);
    }

    private static ConfigJson Config(string path, string kind)
    {
        var json = YamlConfig.Read(Path.Combine(Path.GetDirectoryName(path)!, ConfigFileName));
        if (json.Require("model_kind", json.String("model_kind")) != kind)
        {
            throw json.Refuse("model_kind", $"beside {Path.GetFileName(path)} only '{kind}' is");
        }
        foreach (var (key, isKnown) in new (string, Func<string, bool>)[]
            { ("feature_input_hook", TranscoderConfig.IsInputHook), ("feature_output_hook", TranscoderConfig.IsOutputHook) })
        {
            if (!isKnown(json.Require(key, json.String(key))))
            {
                throw json.Refuse(key, key == "feature_input_hook" ? "'ln2.hook_normalized', 'mlp.hook_in' and 'hook_resid_mid' are"
                    : "'hook_mlp_out' and 'mlp.hook_out' are");
            }
        }
        return json;
    }

    // circuit-tracer: without a key a set of thresholds means JumpReLU, else ReLU
    private static DictionaryArchitecture Activation(ConfigJson json, StateDictionary state, bool hasThreshold, int layer)
    {
        var given = json.String("activation") ?? json.String("activation_function");
        var activation = (given ?? (state.Has("k") || json.Has("k") ? "topk" : hasThreshold ? "jump_relu" : "relu")) switch
        {
            "relu" or "ReLU" => DictionaryArchitecture.Standard,
            "jump_relu" or "jumprelu" or "JumpReLU" => DictionaryArchitecture.JumpRelu,
            "topk" or "top_k" or "TopK" => DictionaryArchitecture.TopK,
            _ => throw json.Refuse("activation", "only 'relu', 'jump_relu' and 'topk' are"),
        };
        if (hasThreshold != (activation == DictionaryArchitecture.JumpRelu))
        {
            throw new CheckpointException(state.Path, $"{(hasThreshold ? "has" : "lacks")} thresholds, and the activation of layer {layer} "
                + $"is {activation.Name()}; check that config.yaml belongs to it.");
        }
        return activation;
    }

    private static ConvertedTensor Thresholds(StateDictionary state, string name, long features)
    {
        var thresholds = state[name] switch
        {
            { Shape.Length: 2 } matrix => (matrix.Require(1, features) with { Shape = [features], Strides = [1] }).ReadVector(),
            var vector => vector.Require(features).ReadVector(),
        };
        // below 0 circuit-tracer lets negative activations through, which no feature has here
        return Array.TrueForAll(thresholds, t => t >= 0) ? ConvertedTensor.Vector("threshold", thresholds)
            : throw new CheckpointException(state.Path, "has thresholds below 0, through which negative activations would pass; "
                + "only thresholds from 0 are read.");
    }

    private static long K(ConfigJson json, StateDictionary state, long features)
    {
        var k = state.Value("k") switch
        {
            StridedTensor t => (long)t.ReadScalar(),
            null => json.Require("k", json.Integer("k", 1, int.MaxValue)),
            _ => 0,
        };
        return k >= 1 && k <= features ? k
            : throw new CheckpointException(state.Path, $"keeps the {k} largest of {features} features, which is no number of them.");
    }

    private static JsonObject Converted(ConfigJson json, int layer, DictionaryArchitecture activation, (long Width, long Features) sizes,
        bool hasSkip)
    {
        var model = json.String("model_name");
        string Site(string hook) => string.Create(CultureInfo.InvariantCulture, $"blocks.{layer}.{hook}");
        var config = new ConvertedConfig(activation, sizes.Width, sizes.Features, Site(json.String("feature_input_hook")!))
        {
            Model = model,
            PrependBos = true,
            SubtractsBias = false,
            Output = Site(json.String("feature_output_hook")!),
            HasSkip = hasSkip,
            ZeroPositions = IsInstructed(model) ? 4 : 1,
        }.ToJson();
        if (activation == DictionaryArchitecture.TopK) config[TranscoderConfig.SignKey] = true;
        config["metadata"]!["model_from_pretrained_kwargs"] = new JsonObject
        {
            ["fold_ln"] = false,
            ["center_writing_weights"] = false,
            ["center_unembed"] = false,
        };
        return config;
    }

    // <bos><start_of_turn>user\n
    private static bool IsInstructed(string? model) => model is not null
        && model.Contains("gemma-3", StringComparison.OrdinalIgnoreCase) && model.EndsWith("-it", StringComparison.OrdinalIgnoreCase);

    private static int LayerOf(Regex name, string path) =>
        int.Parse(name.Match(Path.GetFileName(path)).Groups["layer"].Value, CultureInfo.InvariantCulture);

    /// <summary>How many layers a cross-layer transcoder has, by its files.</summary>
    /// <param name="path">One of them.</param>
    /// <exception cref="CheckpointException">A layer before the last has no file with its encoder or decoder.</exception>
    public static int LayersOf(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        var found = Directory.GetFiles(folder, "W_*.safetensors").Select(f => Path.GetFileName(f)!).ToHashSet();
        var last = found.Select(f => Encoder.Match(f)).Concat(found.Select(f => Decoder.Match(f))).Where(m => m.Success)
            .Max(m => int.Parse(m.Groups["layer"].Value, CultureInfo.InvariantCulture));
        for (var l = 0; l <= last; l++)
        {
            foreach (var name in new[] { $"W_enc_{l}.safetensors", $"W_dec_{l}.safetensors" })
            {
                if (!found.Contains(name))
                {
                    throw new CheckpointException(Path.Combine(folder, name), "is missing, and a cross-layer transcoder is one of all "
                        + $"layers (0 to {last} here); download it.");
                }
            }
        }
        return last + 1;
    }

    [GeneratedRegex(@"^layer_(?<layer>\d{1,4})\.safetensors$")]
    private static partial Regex PerLayer { get; }

    [GeneratedRegex(@"^W_enc_(?<layer>\d{1,4})\.safetensors$")]
    private static partial Regex Encoder { get; }

    [GeneratedRegex(@"^W_dec_(?<layer>\d{1,4})\.safetensors$")]
    private static partial Regex Decoder { get; }
}
