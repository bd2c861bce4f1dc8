using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A dictionary as SAELens saves it: a directory with <c>cfg.json</c> and <c>sae_weights.safetensors</c>.
/// Shapes are checked against the config when it is opened; values are not (<see cref="Check"/>).
/// Owns the file; who opens a dictionary disposes it.</summary>
internal sealed class SaeLensDictionary : IDisposable
{
    public const string ConfigFileName = "cfg.json", WeightsFileName = "sae_weights.safetensors";

    /// <summary>Beside a checkpoint that SAELens 6 saved while it trained:
    /// the factor of its inputs, which is folded into the weights at the end only.</summary>
    public const string ScalerFileName = "activation_scaler.json";

    private static readonly string[] ScalingFactors = ["scaling_factor", "finetuning_scaling_factor"];

    private SaeLensDictionary(string directory, DictionaryConfig config, SafetensorsFile file)
    {
        (Directory, Config, File) = (directory, config, file);
        EncoderWeights = file.Require("W_enc", Width, FeatureCount);
        DecoderWeights = file.Require("W_dec", FeatureCount, (long)config.OutputWidth * config.OutputLayers);
        DecoderBias = file.Require("b_dec", config.OutputWidth);
        if (config.HasSkip) SkipWeights = file.Require("W_skip", config.OutputWidth, Width);
        foreach (var name in Architecture.FeatureTensors()) file.Require(name, FeatureCount);
        foreach (var entry in file.Tensors.Values) RequireUnderstood(entry);
    }

    private IEnumerable<string> Weights => [.. SkipWeights is null ? [] : (string[])["W_skip"], "W_enc", "W_dec", "b_dec",
        .. Architecture.FeatureTensors()];

    public string Directory { get; }

    public DictionaryConfig Config { get; }

    public SafetensorsFile File { get; }

    /// <summary>The site it was trained on, a TransformerLens name.</summary>
    public string HookName => Config.HookName;

    /// <summary>d_in: width of the site.</summary>
    public int Width => Config.Width;

    /// <summary>d_sae: number of features.</summary>
    public int FeatureCount => Config.FeatureCount;

    /// <inheritdoc cref="DictionaryArchitecture"/>
    public DictionaryArchitecture Architecture => Config.Architecture;

    /// <summary>Features that may be active at once; 0 unless TopK.</summary>
    public int K => Config.K;

    /// <summary>True: b_dec is subtracted before encoding.</summary>
    public bool ApplyDecoderBiasToInput => Config.ApplyDecoderBiasToInput;

    /// <inheritdoc cref="InputNormalization"/>
    public InputNormalization Normalization => Config.Normalization;

    /// <summary>It was trained on texts that begin with BOS.</summary>
    public bool PrependBos => Config.PrependBos;

    public string? ModelName => Config.ModelName;

    public string? NeuronpediaId => Config.NeuronpediaId;

    /// <summary>W_enc [d_in, d_sae].</summary>
    public TensorEntry EncoderWeights { get; }

    /// <summary>W_dec [d_sae, d_out]; of a cross-layer transcoder [d_sae, layers · d_out].</summary>
    public TensorEntry DecoderWeights { get; }

    /// <summary>b_dec [d_out].</summary>
    public TensorEntry DecoderBias { get; }

    /// <summary>W_skip [d_out, d_in]; null: there is no skip.</summary>
    public TensorEntry? SkipWeights { get; }

    /// <summary>What finds its active features without W_enc; null: nothing does.</summary>
    public EncoderScreenFile? Screen { get; private set; }

    /// <summary>Takes what lies beside it.</summary>
    /// <param name="path">The screen's file; null: there is none.</param>
    /// <returns>This.</returns>
    /// <exception cref="CheckpointException">It is missing, damaged or another dictionary's.</exception>
    public SaeLensDictionary WithScreen(string? path)
    {
        try
        {
            Screen = path is null ? null : EncoderScreenFile.Open(path, Width, FeatureCount);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Opens one dictionary's directory.</summary>
    /// <exception cref="CheckpointException">A file is missing or broken, config and weights disagree, or the dictionary would be computed
    /// wrongly.</exception>
    public static SaeLensDictionary Open(string directory) => Open(directory, config => config);

    /// <param name="amend">Adds what the files do not say.</param>
    /// <inheritdoc cref="Open(string)"/>
    public static SaeLensDictionary Open(string directory, Func<DictionaryConfig, DictionaryConfig> amend)
    {
        var config = amend(WithScaler(directory, DictionaryConfig.Read(Path.Combine(directory, ConfigFileName))));
        var file = SafetensorsFile.Open(Path.Combine(directory, WeightsFileName));
        try
        {
            return new SaeLensDictionary(directory, config, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static DictionaryConfig WithScaler(string directory, DictionaryConfig config)
    {
        var path = Path.Combine(directory, ScalerFileName);
        if (config.Normalization != InputNormalization.ExpectedAverage
            || config is { NormScalingFactor: not null, FromRelease: not { HasFactor: true } }
            || !System.IO.File.Exists(path))
        {
            return config;
        }
        return ConfigJson.Read(path).Number("scaling_factor", 1e-12, 1e12) is { } factor
            ? config with { NormScalingFactor = factor, FromRelease = null }
            : config;
    }

    /// <summary>What reads every weight once, and passes if all are finite numbers.</summary>
    public WeightCheck Check => new(File, [.. Weights]);

    public void Dispose()
    {
        File.Dispose();
        Screen?.Dispose();
    }

    /// <summary>The tensor that decoder rows are multiplied by; null where that changes nothing.</summary>
    /// <remarks>SAELens wrote <c>scaling_factor</c> for a while whether it was used or not,
    /// and takes one that is close to 1 everywhere for unused.</remarks>
    public float[]? ScalingFactor()
    {
        var name = ScalingFactors.FirstOrDefault(File.Tensors.ContainsKey);
        if (name is null) return null;
        var factor = File.ReadFloats(name);
        return Array.TrueForAll(factor, f => Math.Abs(f - 1) <= 1e-8 + 1e-5) ? null : factor;
    }

    /// <summary>A tensor that is not used here would have changed the result where it is: it is refused, never dropped.</summary>
    private void RequireUnderstood(TensorEntry entry)
    {
        if (Weights.Contains(entry.Name))
        {
            if (!entry.Type.IsFloat())
            {
                throw new CheckpointException(File.Path,
                    $"tensor '{entry.Name}' has type {entry.Type}; save the weights as F32, F16, BF16 or F64.");
            }
            return;
        }
        if (!ScalingFactors.Contains(entry.Name))
        {
            throw new CheckpointException(File.Path,
                entry.Name == "W_skip" ? "has tensor 'W_skip', and the architecture that cfg.json says has no skip; 'skip_transcoder' and "
                    + "'jumprelu_skip_transcoder' do."
                    : $"has tensor {DisplayText.QuotedName(entry.Name)}, which a dictionary of architecture '{Architecture.Name()}' does "
                        + "not have; check that cfg.json belongs to it.");
        }

        File.Require(entry.Name, FeatureCount);
        if (!Config.FinetunedScale && ScalingFactor() is not null)
        {
            throw new CheckpointException(File.Path, $"tensor '{entry.Name}' is not all ones, but cfg.json does not say "
                + "finetuning_scaling_factor; set it to true there if the dictionary was finetuned.");
        }
    }
}
