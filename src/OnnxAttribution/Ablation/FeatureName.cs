using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Ablation;

/// <summary>A feature as it is written in short: <c>3:953</c>, <c>3.mlp:7@5</c>, <c>blocks.3.hook_attn_out:12</c>.</summary>
/// <param name="Site">Hook name; which model has it is asked when the model is opened.</param>
/// <param name="Feature">Unit of the site's dictionary, from 0.</param>
/// <param name="Position">Token position; null: every one.</param>
public sealed partial record FeatureName(string Site, int Feature, int? Position = null)
{
    /// <summary>Reads <c>site:feature</c> or <c>site:feature@position</c>. A site is a hook name, or in short <c>l</c> or <c>l.resid</c> (the residual stream before block l; behind the
    /// last block where l is the number of blocks), <c>l.resid_post</c>, <c>l.attn</c>, <c>l.mlp</c>.</summary>
    /// <exception cref="FormatException">The text is no such name; the message says how one is written.</exception>
    public static FeatureName Parse(string text)
    {
        var m = Shape().Match(text);
        if (m.Success && Number(m.Groups["feature"]) is { } feature && SiteOf(m) is { } site)
        {
            if (!m.Groups["position"].Success) return new FeatureName(site, feature);
            if (Number(m.Groups["position"]) is { } position) return new FeatureName(site, feature, position);
        }
        throw new FormatException($"'{text}' is no feature; write layer:feature such as 3:953, 3.attn:12, 3.mlp:7 or blocks.3.hook_attn_out:12, with @5 behind it for one position");
    }

    public override string ToString() => $"{Site}:{Feature}{(Position is { } p ? $"@{p}" : "")}";

    // what enters block l is what block l - 1 leaves: that name holds behind the last block too, and a bundle writes it as it is used to
    private static string? SiteOf(Match m)
    {
        if (m.Groups["hook"].Success) return m.Groups["hook"].Value;
        if (Number(m.Groups["layer"]) is not { } l) return null;
        return m.Groups["kind"].Value switch
        {
            "" or "resid" => l == 0 ? "blocks.0.hook_resid_pre" : $"blocks.{l - 1}.hook_resid_post",
            var kind and ("resid_pre" or "resid_post" or "attn_out" or "mlp_out") => $"blocks.{l}.hook_{kind}",
            var kind => $"blocks.{l}.hook_{kind}_out",
        };
    }

    private static int? Number(Group digits) => int.TryParse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;

    [GeneratedRegex(@"^(?:(?<layer>[0-9]+)(?:\.(?<kind>resid|resid_pre|resid_post|attn|attn_out|mlp|mlp_out))?|(?<hook>blocks\.[0-9]+\.[\w.]+)):(?<feature>[0-9]+)(?:@(?<position>[0-9]+))?\z")]
    private static partial Regex Shape();
}
