using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>OpenAI's autoencoders of GPT-2 small: <c>LOCATION[_VERSION]/autoencoders/LAYER.pt</c>.</summary>
/// <remarks>
/// Source: openai/sparse_autoencoder, model.py and paths.py. Inputs are normalised exactly where the activation
/// is TopK, by the same layer_norm as SAELens's (unbiased standard deviation + 1e-5); pre_bias is subtracted
/// and added back. Trained without BOS on the model as it is.
/// </remarks>
internal static partial class OpenAiFormat
{
    public const string Name = "openai";

    private static readonly string[] s_buffers = ["stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"];

    public static bool IsLike(StateDictionary state) => state.Has("pre_bias") && state.Has("latent_bias") && state.Has("encoder.weight");

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var site = Site(state);
        var (features, width) = state.Matrix("encoder.weight");
        var activation = state.Value("activation") as string ?? throw new CheckpointException(state.Path,
            "has no text 'activation', which says whether it is ReLU or TopK; check that it is a whole state_dict.");
        var settings = state.Value("activation_state_dict") as Dictionary<object, object?> ?? [];
        foreach (var name in s_buffers) state.Value(name);
        var kind = (activation, settings.GetValueOrDefault("postact_fn")) switch
        {
            ("ReLU", _) => DictionaryArchitecture.Standard,
            ("TopK", "ReLU") => DictionaryArchitecture.TopK,
            ("TopK", var after) => throw new CheckpointException(state.Path,
                $"what follows TopK is {DisplayText.QuotedName(after as string ?? "missing")}, which is not supported; only 'ReLU' is."),
            _ => throw new CheckpointException(state.Path,
                $"activation is {DisplayText.QuotedName(activation)}, which is not supported; only 'ReLU' and 'TopK' are."),
        };
        var config = new ConvertedConfig(kind, width, features, site)
        {
            Model = "gpt2-small",
            PrependBos = false,
            SubtractsBias = true,
        }.ToJson();
        if (kind == DictionaryArchitecture.TopK)
        {
            config["k"] = settings.GetValueOrDefault("k") is long k ? k : throw new CheckpointException(state.Path,
                "has no number 'activation_state_dict.k'; check that it is a whole state_dict.");
            config["normalize_activations"] = InputNormalization.LayerNorm.Name();
        }
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["encoder.weight"].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", state.Vector("latent_bias", features)),
            ConvertedTensor.Matrix("W_dec", state["decoder.weight"].Require(width, features).Transposed),
            ConvertedTensor.Vector("b_dec", state.Vector("pre_bias", width)),
        ];
        state.RequireAllRead(activation);
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    /// <summary>Whether a path is one that its files are published by.</summary>
    public static bool IsPlace(string path) => Place.IsMatch(path.Replace('\\', '/'));

    private static string Site(StateDictionary state)
    {
        var path = state.Path;
        if (state.Folders.Select(f => Place.Match($"{f}/{Path.GetFileName(path)}")).FirstOrDefault(m => m.Success) is not { } place)
        {
            throw new CheckpointException(path, "is one of OpenAI's autoencoders, and which site it is for stands in its path alone; "
                + "name it as it is published, such as resid_post_mlp_v5_32k/autoencoders/5.pt.");
        }
        var hook = place.Groups["location"].Value switch
        {
            "resid_delta_attn" => "hook_attn_out",
            "resid_delta_mlp" => "hook_mlp_out",
            "resid_post_attn" => "hook_resid_mid",
            "resid_post_mlp" => "hook_resid_post",
            var other =>
                throw new CheckpointException(path, $"location {DisplayText.QuotedName(other)} is no site of the residual stream or a "
                    + "sublayer's output; only resid_delta_attn, resid_delta_mlp, resid_post_attn and resid_post_mlp are."),
        };
        return $"blocks.{int.Parse(place.Groups["layer"].Value, System.Globalization.CultureInfo.InvariantCulture)}.{hook}";
    }

    [GeneratedRegex(@"(?:^|/)(?<location>[a-z_]+?)(?:_v\d+(?:_\w+)?)?/autoencoders/(?<layer>\d{1,4})\.pt$")]
    private static partial Regex Place { get; }
}
