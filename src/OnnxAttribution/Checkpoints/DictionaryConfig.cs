using OnnxAttribution.Checkpoints.Formats;

namespace OnnxAttribution.Checkpoints;

// SAELens writes cfg.json in two layouts:
// 1. before 6: flat; hook_point is hook_name, hook_point_head_index is hook_head_index, activation_fn_str is activation_fn, and
//    activation_fn "topk" with activation_fn_kwargs.k makes a standard dictionary a TopK one;
// 2. from 6: architecture and its own keys at the root, what it was trained on under metadata.
// Both are read with one set of names: a key is looked for under metadata, then at the root, by its new and its old name.

/// <summary>What a SAELens <c>cfg.json</c> says of a dictionary, as far as it changes mathematics.
/// What is not understood is refused by name.</summary>
/// <param name="HookName">The site it was trained on, by TransformerLens's name.</param>
/// <param name="Width">d_in: width of the site.</param>
/// <param name="FeatureCount">d_sae: number of features.</param>
/// <param name="Architecture">φ.</param>
/// <param name="K">Features that may be active at once; 0 unless TopK.</param>
/// <param name="ApplyDecoderBiasToInput">True: b_dec is subtracted before encoding (true when missing).</param>
/// <param name="Normalization">What is done to the input.</param>
/// <param name="PrependBos">It was trained on texts that begin with BOS (true when missing).</param>
/// <param name="ModelName">The model's TransformerLens name, if given.</param>
/// <param name="NeuronpediaId">Its name on Neuronpedia, if given.</param>
/// <param name="CenterWritingWeights">Whether it was trained on a model with centred writing weights;
/// null where nothing is said of how the model was loaded.</param>
/// <remarks>Source: SAELens 6.18 (<c>handle_config_defaulting</c>,
/// <c>read_sae_components_from_disk</c>, the classes in <c>sae_lens/saes</c>).</remarks>
internal sealed record DictionaryConfig(
    string HookName, int Width, int FeatureCount, DictionaryArchitecture Architecture, int K, bool ApplyDecoderBiasToInput,
    InputNormalization Normalization, bool PrependBos, string? ModelName, string? NeuronpediaId, bool? CenterWritingWeights)
{
    private const string LoadingKey = "model_from_pretrained_kwargs", ScalingKey = "norm_scaling_factor";

    /// <summary>Pre-activations are multiplied by the lengths of the decoder's rows before φ,
    /// and what is decoded divided by them.</summary>
    public bool RescalesByDecoderNorm { get; init; }

    /// <summary>Decoder rows are multiplied by the tensor <c>scaling_factor</c>, where there is one that is not all ones.</summary>
    public bool FinetunedScale { get; init; }

    /// <summary>c: the input is multiplied by it, the output divided; null: not said, and read as 1.</summary>
    public double? NormScalingFactor { get; init; }

    /// <summary>The release of SAELens's whose table says <see cref="NormScalingFactor"/> where cfg.json does not;
    /// null where it does, or nothing does.</summary>
    public string? FactorOfRelease { get; init; }

    /// <summary>This program made the files, of a dictionary of another format (<c>converted_from</c>).</summary>
    public bool IsConverted { get; init; }

    /// <summary>Fold LayerNorm, and centre the unembedding, of the model that it is used with:
    /// neither changes what a site holds. Null: not said.</summary>
    public bool? FoldLayerNorm { get; init; }

    /// <inheritdoc cref="FoldLayerNorm"/>
    public bool? CenterUnembed { get; init; }

    /// <summary>Whether it was trained on a model whose value biases were moved behind attention,
    /// so that <c>attn.hook_z</c> lacks them. Null: not said.</summary>
    public bool? FoldValueBiases { get; init; }

    /// <summary>Reads and checks a <c>cfg.json</c> of either layout.</summary>
    /// <exception cref="CheckpointException">The file is missing or broken,
    /// or describes a dictionary that would be computed wrongly.</exception>
    public static DictionaryConfig Read(string path) => Read(ConfigJson.Read(path));

    /// <inheritdoc cref="Read(string)"/>
    public static DictionaryConfig Read(ConfigJson json)
    {
        var width = json.Require("d_in", json.Integer("d_in", 1, 1 << 20));
        var featureCount = json.Require("d_sae", json.Integer("d_sae", 1, 1 << 24));
        var architecture = ReadArchitecture(json);
        RefuseVariants(json, width, architecture);
        var loading = Trained(json, LoadingKey).Object(LoadingKey);
        var (normalization, factor) = (ReadNormalization(json), Trained(json, ScalingKey).Number(ScalingKey, 1e-12, 1e12));
        var release = normalization == InputNormalization.ExpectedAverage && factor is null ? PublishedFactors.Of(json) : null;
        return new(
            HookName: ReadHookName(json),
            Width: width,
            FeatureCount: featureCount,
            Architecture: architecture,
            K: architecture == DictionaryArchitecture.TopK ? ReadK(json, featureCount) : 0,
            ApplyDecoderBiasToInput: json.Boolean("apply_b_dec_to_input") ?? true,
            Normalization: normalization,
            PrependBos: Trained(json, "prepend_bos").Boolean("prepend_bos") ?? true,
            ModelName: Trained(json, "model_name").String("model_name"),
            NeuronpediaId: Trained(json, "neuronpedia_id").String("neuronpedia_id"),
            CenterWritingWeights: loading is null ? IsOldestGpt2(json) ? true : null : loading.Boolean("center_writing_weights") ?? false)
        {
            FoldLayerNorm = loading?.Boolean("fold_ln"),
            CenterUnembed = loading?.Boolean("center_unembed"),
            FoldValueBiases = loading?.Boolean("fold_value_biases"),
            IsConverted = json.Has("converted_from"),
            RescalesByDecoderNorm = json.Boolean("rescale_acts_by_decoder_norm") ?? false,
            FinetunedScale = json.Boolean("finetuning_scaling_factor") ?? false,
            NormScalingFactor = factor ?? release?.Factor,
            FactorOfRelease = release?.Release,
        };
    }

    /// <summary>Where a key about the training lies: under metadata if it is there, else at the root.</summary>
    private static ConfigJson Trained(ConfigJson json, string key) =>
        json.Object("metadata") is { } metadata && metadata.Has(key) ? metadata : json;

    // The first dictionaries of GPT-2 (gpt2-small-res-jb and its feature-splitting ones) name neither an architecture nor how
    // the model was loaded. It was TransformerLens's default, with centred writing weights; SAELens's table of releases says
    // so in their stead (pretrained_saes.yaml: config_overrides).
    private static bool IsOldestGpt2(ConfigJson json) =>
        json.Has("hook_point") && !json.Has("architecture") && json.String("model_name") is "gpt2-small" or "gpt2";

    private static DictionaryArchitecture ReadArchitecture(ConfigJson json)
    {
        var key = json.Has("activation_fn") ? "activation_fn" : "activation_fn_str";
        var activation = json.String(key) ?? "relu";
        return (json.String("architecture") ?? "standard", activation) switch
        {
            ("standard", "relu") => DictionaryArchitecture.Standard,
            ("standard" or "topk", "topk") => DictionaryArchitecture.TopK,
            ("topk", "relu") => DictionaryArchitecture.TopK,
            ("jumprelu", "relu") => DictionaryArchitecture.JumpRelu,
            ("gated", "relu") => DictionaryArchitecture.Gated,
            ("standard" or "topk", _) => throw json.Refuse(key, "only 'relu' and 'topk' are"),
            ("jumprelu" or "gated", _) => throw json.Refuse(key, "with this architecture only 'relu' is"),
            ("batchtopk" or "matryoshka_batchtopk", _) =>
                throw json.Refuse("architecture", "it is for training only: save it with SAELens's save_inference_model, as 'jumprelu'"),
            ("transcoder" or "skip_transcoder" or "jumprelu_transcoder" or "jumprelu_skip_transcoder", _) =>
                throw json.Refuse("architecture",
                    "a transcoder writes another site than it reads; only dictionaries that rebuild their input are"),
            _ => throw json.Refuse("architecture", "only 'standard', 'topk', 'jumprelu' and 'gated' are"),
        };
    }

    private static int ReadK(ConfigJson json, int featureCount)
    {
        var owner = json.Has("k") ? json : json.Object("activation_fn_kwargs") ?? json;
        return owner.Require("k", owner.Integer("k", 1, featureCount));
    }

    private static InputNormalization ReadNormalization(ConfigJson json)
    {
        const string Key = "normalize_activations";
        if (json.IsBoolean(Key)) // the oldest files
        {
            return json.Boolean(Key) is true ? InputNormalization.ExpectedAverage : InputNormalization.None;
        }
        return (json.String(Key) ?? "none") switch
        {
            "none" => InputNormalization.None,
            "layer_norm" => InputNormalization.LayerNorm,
            "constant_norm_rescale" => InputNormalization.ConstantNorm,
            "expected_average_only_in" => InputNormalization.ExpectedAverage,
            _ => throw json.Refuse(Key, "only 'none', 'expected_average_only_in', 'constant_norm_rescale' and 'layer_norm' are"),
        };
    }

    private static string ReadHookName(ConfigJson json)
    {
        var key = HookKey(json, "hook_name", "hook_point");
        var owner = Trained(json, key);
        var name = owner.Require(key, owner.String(key));
        name = ModuleSites.Of(name) ?? name;   // of a model that is not TransformerLens's, its module
        if (name.Length is 0 or > 200 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_'))
        {
            throw owner.Refuse(key, "a hook name has letters, digits, dots and underscores");
        }
        return name;
    }

    private static void RefuseVariants(ConfigJson json, int width, DictionaryArchitecture architecture)
    {
        if (json.Boolean("rescale_acts_by_decoder_norm") is true && architecture != DictionaryArchitecture.TopK)
        {
            throw json.Refuse("rescale_acts_by_decoder_norm", "only with 'topk' is it (SAELens would ignore it here); "
                + "fold the decoder's norms into the weights (fold_W_dec_norm) and save it again");
        }
        if (json.String("reshape_activations") is not (null or "none") and var reshape
            && !(reshape == "hook_z" && ReadHookName(json).EndsWith("attn.hook_z", StringComparison.Ordinal)))
        {
            throw json.Refuse("reshape_activations", "only 'none' is, and 'hook_z' for a site blocks.<layer>.attn.hook_z");
        }

        if ((json.Integer("d_out", 1, 1 << 20) ?? width) != width)
        {
            throw json.Refuse("d_out", $"only dictionaries that rebuild their input are, not transcoders, and d_in is {width}");
        }
        if (json.Boolean("is_transcoder") is true)
        {
            throw json.Refuse("is_transcoder", "only dictionaries that rebuild their input are, not transcoders");
        }
        var headKey = HookKey(json, "hook_head_index", "hook_point_head_index");
        if (Trained(json, headKey).Has(headKey)) throw Trained(json, headKey).Refuse(headKey, "only null is: dictionaries of a whole site");
        RefuseOtherOutput(json);
    }

    private static void RefuseOtherOutput(ConfigJson json)
    {
        var outKey = HookKey(json, "hook_name_out", "hook_point_out");
        if (Trained(json, outKey).String(outKey) is { } output && (ModuleSites.Of(output) ?? output) != ReadHookName(json))
        {
            throw Trained(json, outKey).Refuse(outKey, "only dictionaries that rebuild their input are, not transcoders");
        }
    }

    private static string HookKey(ConfigJson json, string name, string oldName) =>
        !Trained(json, name).Has(name) && Trained(json, oldName).Has(oldName) ? oldName : name;
}
