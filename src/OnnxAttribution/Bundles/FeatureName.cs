using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Bundles;

/// <summary>A feature as it is written in short: <c>3:953</c>, <c>3.mlp:7@5</c>, <c>blocks.3.hook_attn_out:12</c>.</summary>
/// <param name="Site">Hook name; which model has it is asked when the model is opened.</param>
/// <param name="Feature">Unit of the site's dictionary, from 0.</param>
/// <param name="Position">Token position; null: every one.</param>
internal sealed partial record FeatureName(string Site, int Feature, int? Position = null)
{
    /// <summary>What stands for a number where the error node is meant, as in <c>3.mlp:error</c>.</summary>
    public const string Error = "error";

    /// <summary>How a node is spelt wherever one is named: <c>3:953</c> before block 3, <c>3.mlp:7@5</c>, <c>3.resid_post:12</c>,
    /// <c>3.attn:error</c>. <see cref="Parse"/> reads it, and circuits read the errors too.</summary>
    /// <param name="feature">Below 0: the error node.</param>
    /// <param name="position">Below 0, or null: none.</param>
    internal static string Of(Site site, int feature, int? position = null) => string.Create(CultureInfo.InvariantCulture,
        $"{site.NodeName}:{(feature < 0 ? Error : feature)}{(position is { } p and >= 0 ? $"@{p}" : "")}");

    /// <param name="site">A hook name; any other text stays as it is.</param>
    /// <inheritdoc cref="Of(Bundles.Site, int, int?)"/>
    internal static string Of(string site, int feature, int? position = null) => Bundles.Site.TryParse(site, out var parsed)
        ? Of(parsed, feature, position)
        : string.Create(CultureInfo.InvariantCulture, $"{site}:{feature}{(position is { } p and >= 0 ? $"@{p}" : "")}");

    /// <summary>Reads <c>site:feature</c> or <c>site:feature@position</c>,
    /// the site in short (<see cref="Site.FromShort"/>) or by its hook name.</summary>
    /// <exception cref="FormatException">The text is no such name; the message says how one is written.</exception>
    public static FeatureName Parse(string text)
    {
        var name = Today(text);
        var colon = name.LastIndexOf(':');
        if (colon > 0 && Bundles.Site.FromShort(name[..colon]) is { } site && Unit(name[(colon + 1)..]) is { } unit)
        {
            return new FeatureName(site, unit.Feature, unit.Position);
        }
        throw new FormatException($"'{text}' is no feature; write layer:feature such as 3:953, 3.attn:12, "
            + $"3.mlp:7 or blocks.3.hook_attn_out:12, with @5 behind it for one position{OfPage(text)}");
    }

    /// <summary>A name as it is spelt today: earlier versions wrote <c>3.resid 953 @5</c>. Any other text stays as it is.</summary>
    internal static string Today(string text) => Former().Replace(text, "$1:$2$3");

    /// <summary>Reads <c>953</c> or <c>953@5</c>: what stands behind the colon. Null where the text is neither.</summary>
    internal static (int Feature, int? Position)? Unit(string text)
    {
        var parts = text.Split('@');
        if (parts.Length > 2 || !Whole(parts[0], out var feature)) return null;
        if (parts.Length == 1) return (feature, null);
        return Whole(parts[1], out var position) ? (feature, position) : null;
    }

    /// <summary>What to write for <c>3.263</c>, as pages of earlier versions name their nodes at whatever site of the layer;
    /// "" where the text is not of that kind.</summary>
    internal static string OfPage(string text) =>
        text.Split('@')[0].Split('.') is [var layer, var feature] && Whole(layer, out _) && Whole(feature, out _)
            ? $"; a page's {layer}.{feature} is {layer}:{feature} in the residual stream, {layer}.attn:{feature} or {layer}.mlp:{feature}"
            : "";

    public override string ToString() => $"{Site}:{Feature}{(Position is { } p ? $"@{p}" : "")}";

    private static bool Whole(string text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    [GeneratedRegex(@"\A([0-9]+\.[a-z_]+) ([0-9]+|error)(?: ?(@[0-9]+))?\z")]
    private static partial Regex Former();
}
