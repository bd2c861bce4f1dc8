using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// Dictionaries that are two linear layers and nothing else, <c>NAME-SAE-lN.pth</c> of Goodfire and <c>NAME-SAE-lN.pt</c> of qresearch:
/// ReLU on the residual stream behind block N, which the file's name alone says; the decoder's bias not subtracted, BOS prepended.
/// </summary>
/// <remarks>Source: SAELens's <c>get_goodfire_huggingface_loader</c> and <c>deepseek_r1_sae_huggingface_loader</c>.</remarks>
internal static partial class LinearPairFormat
{
    public const string Name = "linear_pair";

    private static readonly string[] s_prefixes = ["encoder_linear decoder_linear", "encoder decoder"];

    public static bool IsLike(StateDictionary state) => Place.IsMatch(Path.GetFileName(state.Path)) && Layers(state) is not null;

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var place = Place.Match(Path.GetFileName(state.Path));
        var (encoder, decoder) = Layers(state)!.Value;
        var (features, width) = state.Matrix($"{encoder}.weight");
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state[$"{encoder}.weight"].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", state.Vector($"{encoder}.bias", features)),
            ConvertedTensor.Matrix("W_dec", state[$"{decoder}.weight"].Require(width, features).Transposed),
            ConvertedTensor.Vector("b_dec", state.Vector($"{decoder}.bias", width)),
        ];
        state.RequireAllRead("ReLU");
        var site = $"blocks.{int.Parse(place.Groups["layer"].Value, CultureInfo.InvariantCulture)}.hook_resid_post";
        var config = new ConvertedConfig(DictionaryArchitecture.Standard, width, features, site)
        {
            Model = place.Groups["model"].Value,
            PrependBos = true,
            SubtractsBias = false,
        }.ToJson();
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    private static (string Encoder, string Decoder)? Layers(StateDictionary state)
    {
        foreach (var pair in s_prefixes)
        {
            var names = pair.Split(' ');
            if (names.All(n => state.Has($"{n}.weight") && state.Has($"{n}.bias"))) return (names[0], names[1]);
        }
        return null;
    }

    [GeneratedRegex(@"^(?<model>.+?)-SAE-l(?<layer>\d{1,4})\.pth?$")]
    private static partial Regex Place { get; }
}
