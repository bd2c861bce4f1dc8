using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>Qwen-Scope's <c>layerN.sae.pt</c>, with <c>config.json</c> where there is one:
/// TopK on the residual stream behind block N, the decoder's bias not subtracted, no BOS.</summary>
/// <remarks>Source: the README of Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_50, whose name ends with k.</remarks>
internal static partial class QwenScopeFormat
{
    public const string Name = "qwen_scope", ConfigFileName = "config.json";

    public static bool IsName(string fileName) => File.IsMatch(fileName);

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var path = Path.Combine(Path.GetDirectoryName(state.Path)!, ConfigFileName);
        var json = System.IO.File.Exists(path) ? ConfigJson.Read(path) : null;
        if ((json?.String("model_type") ?? "topk_sae") != "topk_sae")
        {
            throw json!.Refuse("model_type", "beside layerN.sae.pt only Qwen-Scope's 'topk_sae' is");
        }
        if ((json?.String("hook_point") ?? "resid_post") != "resid_post")
        {
            throw json!.Refuse("hook_point", "of Qwen-Scope's only 'resid_post' is");
        }
        var layer = int.Parse(File.Match(Path.GetFileName(state.Path)).Groups["layer"].Value, CultureInfo.InvariantCulture);
        var (features, width) = state.Matrix("W_enc");
        if ((json?.Integer("d_model", 1, 1 << 24) ?? width) != width)
        {
            throw json!.Refuse("d_model", $"the weights have {width}; check that config and weights belong together");
        }
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["W_enc"].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", state.Vector("b_enc", features)), ConvertedTensor.Matrix("W_dec",
                state["W_dec"].Require(width, features).Transposed), ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
        ];
        state.RequireAllRead("TopK");
        var model = json?.String("base_model")?.Split('/')[^1];
        var config = new ConvertedConfig(DictionaryArchitecture.TopK, width, features, $"blocks.{layer}.hook_resid_post")
        {
            Model = model,
            PrependBos = false,
            SubtractsBias = false,
        }.ToJson();
        config["k"] = json?.Integer("k", 1, 1 << 24) ?? OfRepository(state);
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    private static int OfRepository(StateDictionary state) =>
        state.Folders.Select(f => Repository.Match(f)).FirstOrDefault(m => m.Success) is { } match
            ? int.Parse(match.Groups["k"].Value, CultureInfo.InvariantCulture)
            : throw new CheckpointException(state.Path, "neither a config.json beside it nor its path says k; "
                + "name its folder as its repository is, such as SAE-Res-Qwen3-8B-Base-W64K-L0_50.");

    [GeneratedRegex(@"^layer(?<layer>\d{1,4})\.sae\.pt$")]
    private static partial Regex File { get; }

    [GeneratedRegex(@"SAE-Res-Qwen[^/]*-L0_(?<k>\d{1,4})(?:/|$)", RegexOptions.RightToLeft)]
    private static partial Regex Repository { get; }
}
