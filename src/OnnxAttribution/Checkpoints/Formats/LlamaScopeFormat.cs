namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// Llama Scope's <c>hyperparams.json</c> with <c>checkpoints/final.safetensors</c>, and its distilled models' <c>config.json</c> with
/// <c>sae_weights.safetensors</c>: JumpReLU, the decoder's bias not subtracted, BOS prepended.
/// </summary>
/// <remarks>
/// Source: SAELens's <c>llama_scope_sae_huggingface_loader</c> and <c>llama_scope_r1_distill_sae_huggingface_loader</c>. Inputs were
/// trained to have the mean length √d: s = √d / mean length, and f = JumpReLU(s x W_encᵀ + b_enc, s · threshold), x̂ = (f W_decᵀ + b_dec) /
/// s. The distilled models' threshold lies in the weights as its logarithm.
/// </remarks>
internal static class LlamaScopeFormat
{
    public const string Name = "llama_scope", FileName = "final.safetensors", ConfigFileName = "hyperparams.json",
        DistilledConfigFileName = "config.json";

    private const string Norm = "norm_activation", Lengths = "dataset_average_activation_norm", LogThreshold = "log_jumprelu_threshold",
        ReadElsewhere = "load it with SAELens and save it from there (save_model)";

    /// <summary>The config of <c>checkpoints/final.safetensors</c>, in the folder above.</summary>
    public static string ConfigOf(string path) =>
        Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(Path.GetFullPath(path))!) ?? "", ConfigFileName);

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file) =>
        Open(state, file, ConfigJson.Read(ConfigOf(state.Path)));

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion OpenDistilled(StateDictionary state, IDisposable file) =>
        Open(state, file, ConfigJson.Read(Path.Combine(Path.GetDirectoryName(state.Path)!, DistilledConfigFileName)));

    private static DictionaryConversion Open(StateDictionary state, IDisposable file, ConfigJson json)
    {
        var site = json.Require("hook_point_in", json.String("hook_point_in"));
        if (json.String("hook_point_out") is { } output && output != site)
        {
            throw json.Refuse("hook_point_out", "only dictionaries that rebuild their input are, not transcoders");
        }
        if ((json.String("sae_type") ?? "sae") != "sae") throw json.Refuse("sae_type", "only 'sae' is");
        if (json.String("act_fn") != "jumprelu") throw json.Refuse("act_fn", $"of Llama Scope's only 'jumprelu' is; {ReadElsewhere}");
        var (features, width) = state.Matrix("encoder.weight");
        if ((json.Integer("d_model", 1, 1 << 20) ?? width) != width)
        {
            throw json.Refuse("d_model", $"the weights have {width}; check that config and weights belong together");
        }
        var scale = Scale(json, width);
        var thresholds = state.Has(LogThreshold) ? Array.ConvertAll(state.Vector(LogThreshold, features), t => (float)Math.Exp(t))
            : [.. Enumerable.Repeat((float)(json.Require("jump_relu_threshold", json.Number("jump_relu_threshold", 0, 1e30)) * scale),
                (int)features)];
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["encoder.weight"].Require(features, width).Transposed, rowFactors: Factors(scale, width)),
            ConvertedTensor.Vector("b_enc", state.Vector("encoder.bias", features)),
            ConvertedTensor.Matrix("W_dec", state["decoder.weight"].Require(width, features).Transposed,
                columnFactors: Factors(1 / scale, width)),
            ConvertedTensor.Vector("b_dec", Array.ConvertAll(state.Vector("decoder.bias", width), b => (float)(b / scale))),
            ConvertedTensor.Vector("threshold", thresholds),
        ];
        state.RequireAllRead("JumpReLU");
        var subtracts = json.Boolean("apply_decoder_bias_to_pre_encoder") ?? false;
        var config = new ConvertedConfig(DictionaryArchitecture.JumpRelu, width, features, site)
        {
            Model = null,
            PrependBos = true,
            SubtractsBias = subtracts,
        }.ToJson();
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    private static double Scale(ConfigJson json, long width)
    {
        switch (json.String(Norm) ?? "none")
        {
            case "none":
                return 1;
            case "dataset-wise" when json.Object(Lengths) is { } lengths:
                var read = lengths.Require("in", lengths.Number("in", 1e-12, 1e12));
                if ((lengths.Number("out", 1e-12, 1e12) ?? read) != read)
                {
                    throw json.Refuse(Lengths, "only one length for input and output is");
                }
                return Math.Sqrt(width) / read;
            case "dataset-wise":
                throw json.Refuse(Norm, $"without {Lengths}, the mean length that inputs were divided by; add it, or {ReadElsewhere}");
            default:
                throw json.Refuse(Norm, $"only 'none' and 'dataset-wise' are; {ReadElsewhere}");
        }
    }

    private static float[]? Factors(double factor, long count) => factor == 1 ? null : [.. Enumerable.Repeat((float)factor, (int)count)];
}
