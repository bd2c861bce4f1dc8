using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>TransformerLens's names for what other projects call a module, a submodule or a folder.</summary>
internal static partial class ModuleSites
{
    /// <summary>
    /// The site of a name such as <c>resid_out_layer3</c>, <c>resid_post_layer_3</c>, <c>attn_out_layer3</c>, <c>mlp_out_layer3</c>,
    /// <c>embed</c> (dictionary_learning), of a Hugging Face module such as <c>layers.5</c>, <c>model.layers.5.mlp</c>, <c>h.5.attn</c>,
    /// <c>h.5.mlp.c_proj</c> (its output), or of a site's own name; null where it is none of these.
    /// </summary>
    public static string? Of(string name)
    {
        if (Site.IsMatch(name)) return name;
        if (name is "embed" or "embed_in" or "embed_tokens" or "gpt_neox.embed_in" or "model.embed_tokens")
        {
            return "blocks.0.hook_resid_pre";
        }
        if (Layer.Match(name) is { Success: true } layer)
        {
            return At(layer, layer.Groups["what"].Value switch
            {
                "attn_out" or "attention_out" => "hook_attn_out",
                "mlp_out" => "hook_mlp_out",
                _ => "hook_resid_post"
            });
        }
        return Module.Match(name) is { Success: true } module
            ? At(module, module.Groups["what"].Value switch
            {
                "attn" or "self_attn" or "attention" => "hook_attn_out",
                "mlp" => "hook_mlp_out",
                _ => "hook_resid_post"
            }) : null;
    }

    /// <summary>The site of the last of a path's folders that names one,
    /// of the first path in which one does; null where none does.</summary>
    public static string? OfPaths(IEnumerable<string> paths) =>
        paths.SelectMany(p => p.Split('/').Reverse()).Select(Of).FirstOrDefault(site => site is not null);

    /// <summary>The site that the input of a module is whose output is <paramref name="site"/>:
    /// a block's, which is the residual stream before it; null where it is no site.</summary>
    public static string? InputOf(string site) =>
        site.EndsWith(".hook_resid_post", StringComparison.Ordinal) ? site[..^"post".Length] + "pre" : null;

    private static string At(Match match, string hook) =>
        string.Create(CultureInfo.InvariantCulture,
            $"blocks.{int.Parse(match.Groups["layer"].Value, CultureInfo.InvariantCulture)}.{hook}");

    [GeneratedRegex(@"^blocks\.\d{1,4}\.(attn\.)?hook_[a-z_]+$")]
    private static partial Regex Site { get; }

    [GeneratedRegex(@"^(?<what>resid_out|resid_post|attn_out|attention_out|mlp_out)_layer_?(?<layer>\d{1,4})$")]
    private static partial Regex Layer { get; }

    [GeneratedRegex(@"^(?:\w+\.)*(?:layers|h)[.\[](?<layer>\d{1,4})\]?"
        + @"(?:\.(?<what>attn|self_attn|attention|mlp)(?:\.(?:c_proj|o_proj|dense|down_proj|dense_4h_to_h))?)?$")]
    private static partial Regex Module { get; }
}
