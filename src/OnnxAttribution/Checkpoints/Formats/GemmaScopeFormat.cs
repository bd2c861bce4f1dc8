using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>Gemma Scope's <c>layer_20/width_16k/average_l0_71/params.npz</c>:
/// JumpReLU, the decoder's bias not subtracted, BOS prepended.</summary>
/// <remarks>Source: SAELens's <c>gemma_2_sae_huggingface_loader</c>.
/// Residual stream, MLP or attention stands in the repository's name alone (gemma-scope-2b-pt-res, -mlp, -att).</remarks>
internal static partial class GemmaScopeFormat
{
    public const string Name = "gemma_scope", FileName = "params.npz";

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var place = state.Folders.FirstOrDefault(f => Layer.IsMatch(f) && Repository.IsMatch(f)) ?? state.Folders.First();
        if (Layer.Match(place) is not { Success: true } layer)
        {
            throw new CheckpointException(state.Path, "its path does not say which layer it is of; "
                + "name its folders as they are published, such as layer_20/width_16k/average_l0_71.");
        }
        if (Repository.Match(place) is not { Success: true } repository)
        {
            throw new CheckpointException(state.Path, "its path does not say whether it is of the residual stream, "
                + "the MLP or the attention; name a folder above it as its repository is: "
                + "gemma-scope-2b-pt-res, gemma-scope-2b-pt-mlp or gemma-scope-2b-pt-att.");
        }
        var hook = repository.Groups["what"].Value switch
        {
            "res" => "hook_resid_post",
            "mlp" => "hook_mlp_out",
            "att" => "attn.hook_z",
            _ => "ln2.hook_normalized",   // the transcoders', which write hook_mlp_out
        };
        var site = $"blocks.{int.Parse(layer.Groups["layer"].Value, CultureInfo.InvariantCulture)}.{hook}";
        var model = $"gemma-2-{repository.Groups["size"].Value}{(repository.Groups["tuned"].Value == "it" ? "-it" : "")}";
        return Convert(state, Name, file, site, model);
    }

    /// <summary>The conversion of weights that both releases name alike: W_enc, b_enc, W_dec, b_dec and threshold.</summary>
    /// <param name="format">Whose format it is.</param>
    /// <param name="file">Becomes the conversion's.</param>
    /// <param name="model">null: not known.</param>
    public static DictionaryConversion Convert(StateDictionary state, string format, IDisposable file, string site, string? model)
    {
        // the first releases wrote w_enc, and Gemma Scope 2 does
        string At(string name) => state.Has(name) ? name : name.Replace("W_", "w_", StringComparison.Ordinal);
        var (width, features) = state.Matrix(At("W_enc"));
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state[At("W_enc")].Require(width, features)),
            ConvertedTensor.Vector("b_enc", state.Vector("b_enc", features)),
            ConvertedTensor.Matrix("W_dec", state[At("W_dec")].Require(features, width)),
            ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
            ConvertedTensor.Vector("threshold", state.Vector("threshold", features)),
        ];
        state.RequireAllRead("JumpReLU");
        const string TranscoderInput = "ln2.hook_normalized";
        var isTranscoder = site.EndsWith(TranscoderInput, StringComparison.Ordinal);
        var config = new ConvertedConfig(DictionaryArchitecture.JumpRelu, width, features, site)
        {
            Model = model,
            PrependBos = true,
            SubtractsBias = false,
            Output = isTranscoder ? site.Replace(TranscoderInput, "hook_mlp_out", StringComparison.Ordinal) : null,
            ZeroPositions = isTranscoder ? 1 : 0,   // as circuit-tracer has it, whose set for gemma-2-2b they are
        }.ToJson();
        return new DictionaryConversion(state.Path, format, file, config, tensors);
    }

    [GeneratedRegex(@"(?:^|/)layer_(?<layer>\d{1,4})(?:/|$)", RegexOptions.RightToLeft)]
    private static partial Regex Layer { get; }

    [GeneratedRegex(@"gemma-scope-(?<size>\d+b)-(?<tuned>pt|it)-(?<what>res|mlp|att|transcoders)", RegexOptions.RightToLeft)]
    private static partial Regex Repository { get; }
}
