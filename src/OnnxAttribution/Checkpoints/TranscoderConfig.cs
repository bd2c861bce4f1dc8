using System.Globalization;

namespace OnnxAttribution.Checkpoints;

/// <summary>What a <c>cfg.json</c> says of a transcoder beyond what it says of any dictionary: where it writes, and how.</summary>
/// <param name="Site">The site that it writes, by TransformerLens's name.</param>
/// <param name="Width">d_out.</param>
/// <param name="HasSkip">Its input times W_skip is added.</param>
/// <remarks>Source: SAELens (<c>sae_lens/saes/transcoder.py</c>). The decoder's bias is never subtracted from the input. What SAELens has
/// no class for, TopK that keeps signs and cross-layer transcoders, is what this program writes when it converts circuit-tracer's.
/// </remarks>
internal sealed record TranscoderConfig(string Site, int Width, bool HasSkip)
{
    /// <summary>Keys that only converted transcoders have.</summary>
    public const string SignKey = "keeps_sign", LayersKey = "n_layers_out", ZeroKey = "zero_positions";

    private const string Plain = "transcoder", Skipping = "skip_transcoder", BeforeNorm = "mlp.hook_out";

    /// <summary>How many MLPs' outputs it writes, its own first.</summary>
    public int Layers { get; init; } = 1;

    /// <summary>TopK's k largest keep their sign.</summary>
    public bool KeepsSign { get; init; }

    /// <summary>At how many positions from the first it has neither features nor errors.</summary>
    public int ZeroPositions { get; init; }

    /// <summary>The name of the dictionary that a transcoder's encoder is one of: <c>jumprelu</c> of <c>jumprelu_skip_transcoder</c>,
    /// <c>standard</c> of <c>transcoder</c>. Any other name as it is.</summary>
    public static string KindOf(string architecture) => architecture switch
    {
        Plain or Skipping => "standard",
        "jumprelu_transcoder" or "jumprelu_skip_transcoder" => "jumprelu",
        "topk_transcoder" or "topk_skip_transcoder" => "topk",
        _ => architecture,
    };

    /// <summary>A transcoder's name in SAELens's manner.</summary>
    public static string NameOf(DictionaryArchitecture kind, bool skip) =>
        (kind == DictionaryArchitecture.Standard ? "" : kind.Name() + "_") + (skip ? Skipping : Plain);

    /// <summary>It writes what the MLP yields, <c>mlp.hook_out</c>; that is <c>hook_mlp_out</c> where no norm lies between.</summary>
    public bool WritesBeforeNorm { get; init; }

    /// <summary>null: it is no transcoder.</summary>
    /// <param name="site">That it reads.</param>
    /// <param name="width">Of that site.</param>
    /// <exception cref="CheckpointException">It does not say where it writes, or has a part that is not read.</exception>
    public static TranscoderConfig? Read(ConfigJson json, string site, int width)
    {
        var architecture = json.String("architecture") ?? "standard";
        if (KindOf(architecture) == architecture) return null;
        var outKey = json.NameOf("hook_name_out", "hook_point_out");
        var owner = json.Trained(outKey);
        var output = owner.Require(outKey, owner.String(outKey));
        if (Layer(site) is not { } layer || Layer(output) != layer || !IsInput(site) || !IsOutput(output))
        {
            throw owner.Refuse(outKey, $"with hook_name '{site}' it is of no MLP: a transcoder reads blocks.<layer>.ln2.hook_normalized, "
                + "mlp.hook_in or hook_resid_mid, and writes hook_mlp_out of the same layer");
        }
        if (json.String("normalize_activations") is not (null or "none"))
        {
            throw json.Refuse("normalize_activations", "of a transcoder only 'none' is");
        }
        if (json.Boolean("rescale_acts_by_decoder_norm") is true || json.Boolean("finetuning_scaling_factor") is true)
        {
            throw json.Refuse(json.Boolean("finetuning_scaling_factor") is true ? "finetuning_scaling_factor"
                : "rescale_acts_by_decoder_norm", "of a transcoder only false is");
        }
        return new TranscoderConfig($"blocks.{layer}.hook_mlp_out", json.Integer("d_out", 1, 1 << 20) ?? width,
            architecture.EndsWith(Skipping, StringComparison.Ordinal))
        {
            Layers = json.Integer(LayersKey, 1, 4096) ?? 1,
            KeepsSign = json.Boolean(SignKey) ?? false,
            ZeroPositions = json.Integer(ZeroKey, 0, 1 << 20) ?? 0,
            WritesBeforeNorm = Hook(output) == BeforeNorm,
        };
    }

    /// <summary>Whether a transcoder may read a hook.</summary>
    /// <param name="hook">Its name behind the block's.</param>
    public static bool IsInputHook(string hook) => hook is "ln2.hook_normalized" or "mlp.hook_in" or "hook_resid_mid";

    /// <summary>Whether a transcoder may write a hook.</summary>
    /// <param name="hook">Its name behind the block's.</param>
    public static bool IsOutputHook(string hook) => hook is "hook_mlp_out" or BeforeNorm;

    private static bool IsInput(string site) => IsInputHook(Hook(site));

    private static bool IsOutput(string site) => IsOutputHook(Hook(site));

    private static string Hook(string site) => site.Split('.', 3) is ["blocks", _, var hook] ? hook : "";

    private static int? Layer(string site) =>
        site.Split('.', 3) is ["blocks", var text, _] && int.TryParse(text, CultureInfo.InvariantCulture, out var l)
            ? l : null;
}
