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

    /// <summary>What the table of releases says of it and its files do not; null: nothing.</summary>
    public FactsOfRelease? FromRelease { get; init; }

    /// <summary>Its files say <see cref="PrependBos"/>.</summary>
    public bool IsBosSaid { get; init; }

    /// <summary>Of a transcoder, the site that it writes, by TransformerLens's name; null: it rebuilds what it reads.</summary>
    public string? OutputHookName { get; init; }

    /// <summary>d_out: width of one site that it writes.</summary>
    public int OutputWidth { get; init; } = Width;

    /// <summary>How many sites it writes: 1, or of a cross-layer transcoder its own MLP's output and those of the next layers.</summary>
    public int OutputLayers { get; init; } = 1;

    /// <summary>Of a transcoder: its input times W_skip is added to what it decodes.</summary>
    public bool HasSkip { get; init; }

    /// <summary>The k largest pre-activations keep their sign, also below 0 (circuit-tracer's TopK).</summary>
    public bool KeepsSign { get; init; }

    /// <summary>Of a transcoder: it writes what the MLP yields before a norm behind it.</summary>
    public bool WritesBeforeNorm { get; init; }

    /// <summary>Of a transcoder, at how many positions from the first it has neither features nor errors.</summary>
    public int ZeroPositions { get; init; }

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
        var output = TranscoderConfig.Read(json, ReadHookName(json), width);
        RefuseVariants(json, width, architecture, output is not null);
        var loading = json.Trained(LoadingKey).Object(LoadingKey);
        var (normalization, factor) = (ReadNormalization(json), json.Trained(ScalingKey).Number(ScalingKey, 1e-12, 1e12));
        var release = ReleaseByConfig.Of(json);
        return new DictionaryConfig(
            HookName: ReadHookName(json),
            Width: width,
            FeatureCount: featureCount,
            Architecture: architecture,
            K: architecture == DictionaryArchitecture.TopK ? ReadK(json, featureCount) : 0,
            ApplyDecoderBiasToInput: output is null && (json.Boolean("apply_b_dec_to_input") ?? true),
            Normalization: normalization,
            PrependBos: json.Trained("prepend_bos").Boolean("prepend_bos") ?? release?.PrependBos ?? true,
            ModelName: json.Trained("model_name").String("model_name"),
            NeuronpediaId: json.Trained("neuronpedia_id").String("neuronpedia_id") ?? release?.NeuronpediaId,
            CenterWritingWeights: loading is null ? IsOldestGpt2(json) ? true : null : loading.Boolean("center_writing_weights") ?? false)
        {
            FoldLayerNorm = loading?.Boolean("fold_ln"),
            CenterUnembed = loading?.Boolean("center_unembed"),
            FoldValueBiases = loading?.Boolean("fold_value_biases"),
            IsConverted = json.Has("converted_from"),
            RescalesByDecoderNorm = json.Boolean("rescale_acts_by_decoder_norm") ?? false,
            FinetunedScale = json.Boolean("finetuning_scaling_factor") ?? false,
            NormScalingFactor = factor ?? (normalization == InputNormalization.ExpectedAverage ? release?.NormScalingFactor : null),
            IsBosSaid = json.Trained("prepend_bos").Has("prepend_bos"),
            FromRelease = FactsOfRelease.Of(release, json.Trained("neuronpedia_id").String("neuronpedia_id"), factor, normalization),
        }.Writing(output);
    }

    private DictionaryConfig Writing(TranscoderConfig? output) => output is null ? this : this with
    {
        OutputHookName = output.Site,
        OutputWidth = output.Width,
        OutputLayers = output.Layers,
        HasSkip = output.HasSkip,
        KeepsSign = output.KeepsSign,
        ZeroPositions = output.ZeroPositions,
        WritesBeforeNorm = output.WritesBeforeNorm,
    };

    /// <summary>What the table of releases says of it, where its files do not.</summary>
    public DictionaryConfig With(ReleasedDictionary released)
    {
        var bos = IsBosSaid ? PrependBos : released.PrependBos ?? PrependBos;
        var facts = FactsOfRelease.Of(released, NeuronpediaId, NormScalingFactor, Normalization);
        if (bos != PrependBos) facts = new FactsOfRelease(released.Release, [.. facts?.Keys ?? [], "prepend_bos"]);
        return this with
        {
            NeuronpediaId = NeuronpediaId ?? released.NeuronpediaId,
            NormScalingFactor = NormScalingFactor
                ?? (Normalization == InputNormalization.ExpectedAverage ? released.NormScalingFactor : null),
            PrependBos = bos,
            FromRelease = facts ?? FromRelease,
        };
    }

    // The first dictionaries of GPT-2 (gpt2-small-res-jb and its feature-splitting ones) name neither an architecture nor how
    // the model was loaded. It was TransformerLens's default, with centred writing weights; SAELens's table of releases says
    // so in their stead (pretrained_saes.yaml: config_overrides).
    private static bool IsOldestGpt2(ConfigJson json) =>
        json.Has("hook_point") && !json.Has("architecture") && json.String("model_name") is "gpt2-small" or "gpt2";

    private static DictionaryArchitecture ReadArchitecture(ConfigJson json)
    {
        var key = json.Has("activation_fn") ? "activation_fn" : "activation_fn_str";
        var activation = json.String(key) ?? "relu";
        return (TranscoderConfig.KindOf(json.String("architecture") ?? "standard"), activation) switch
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
            _ => throw json.Refuse("architecture", "only 'standard', 'topk', 'jumprelu', 'gated' and SAELens's transcoders are"),
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
        var key = json.NameOf("hook_name", "hook_point");
        var owner = json.Trained(key);
        var name = owner.Require(key, owner.String(key));
        name = ModuleSites.Of(name) ?? name;   // of a model that is not TransformerLens's, its module
        if (name.Length is 0 or > 200 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_'))
        {
            throw owner.Refuse(key, "a hook name has letters, digits, dots and underscores");
        }
        return name;
    }

    private static void RefuseVariants(ConfigJson json, int width, DictionaryArchitecture architecture, bool isTranscoder)
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

        if (!isTranscoder && (json.Integer("d_out", 1, 1 << 20) ?? width) != width)
        {
            throw json.Refuse("d_out", $"d_in is {width}, and its architecture is no transcoder's");
        }
        if (!isTranscoder && json.Boolean("is_transcoder") is true)
        {
            throw json.Refuse("is_transcoder", "with this architecture only false is; a transcoder's is 'transcoder', 'skip_transcoder', "
                + "'jumprelu_transcoder' or 'jumprelu_skip_transcoder'");
        }
        var headKey = json.NameOf("hook_head_index", "hook_point_head_index");
        if (json.Trained(headKey).Has(headKey)) throw json.Trained(headKey).Refuse(headKey, "only null is: dictionaries of a whole site");
        if (!isTranscoder) RefuseOtherOutput(json);
    }

    private static void RefuseOtherOutput(ConfigJson json)
    {
        var outKey = json.NameOf("hook_name_out", "hook_point_out");
        if (json.Trained(outKey).String(outKey) is { } output && (ModuleSites.Of(output) ?? output) != ReadHookName(json))
        {
            throw json.Trained(outKey).Refuse(outKey, "its architecture is no transcoder's, which writes another site than it reads");
        }
    }
}

/// <summary>Facts of a dictionary that are a release's of <see cref="ReleaseTable"/>, since its files lack them.</summary>
/// <param name="Keys">As <c>cfg.json</c> names them.</param>
internal sealed record FactsOfRelease(string Release, IReadOnlyList<string> Keys)
{
    private const string Id = "neuronpedia_id", Factor = "norm_scaling_factor";

    public bool HasFactor => Keys.Contains(Factor);

    /// <summary>What a release fills in; null: nothing.</summary>
    public static FactsOfRelease? Of(ReleasedDictionary? released, string? neuronpediaId, double? factor, InputNormalization normalization)
    {
        if (released is null) return null;
        string[] keys =
        [
            .. (string[])(neuronpediaId is null && released.NeuronpediaId is not null ? [Id] : []),
            .. (string[])(factor is null && released.NormScalingFactor is not null
                && normalization == InputNormalization.ExpectedAverage ? [Factor] : []),
        ];
        return keys.Length > 0 ? new FactsOfRelease(released.Release, keys) : null;
    }
}
