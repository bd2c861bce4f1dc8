using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Export;

namespace OnnxAttribution.Ablation;

/// <summary>Circuits in short: <c>3:953;4:7780,312</c>, that is site:features, with <c>@position</c> behind a feature that counts at one position only.</summary>
/// <remarks>A site is a layer (its <c>hook_resid_pre</c>), a layer and a kind (<c>3.attn</c>, <c>3.mlp</c>, <c>3.resid_post</c>), or a hook name.</remarks>
internal static class CircuitText
{
    private const string Example = "write site:features, such as 3:953;4.mlp:7780,312@5";

    private static readonly Dictionary<string, string> s_hooks = new()
    {
        ["resid"] = "resid_pre",
        ["resid_pre"] = "resid_pre",
        ["resid_post"] = "resid_post",
        ["attn"] = "attn_out",
        ["attn_out"] = "attn_out",
        ["mlp"] = "mlp_out",
        ["mlp_out"] = "mlp_out",
    };

    /// <param name="text">Pieces are parted by ';' or line ends; what follows '#' on a line is a remark.</param>
    /// <exception cref="CircuitException">A piece does not parse, or names a site that the model does not have; the message points at it.</exception>
    public static Circuit Parse(string text, AttributionModel model)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n').Select(l => l.Split('#')[0]);
        return new Circuit([.. lines.SelectMany(l => l.Split(';')).Select(p => p.Trim()).Where(p => p.Length > 0).SelectMany(p => Piece(p, model.Bundle))]);
    }

    private static IEnumerable<CircuitNode> Piece(string piece, ModelBundle bundle)
    {
        var colon = piece.LastIndexOf(':');
        if (colon < 0) throw new CircuitException($"'{Short(piece)}' in the circuit has no ':'; {Example}");
        var site = SiteOf(piece, piece[..colon].Trim(), bundle);
        foreach (var item in piece[(colon + 1)..].Split(','))
        {
            var parts = item.Trim().Split('@');
            var position = GraphSum.NoPosition;
            if (parts.Length > 2 || !Whole(parts[0], out var feature)) throw new CircuitException($"'{Short(item.Trim())}' in '{Short(piece)}' of the circuit is no feature; {Example}");
            if (parts.Length == 2 && !Whole(parts[1], out position)) throw new CircuitException($"'@{Short(parts[1])}' in '{Short(piece)}' of the circuit is no position; {Example}");
            yield return new CircuitNode(site, position, feature);
        }
    }

    private static Site SiteOf(string piece, string name, ModelBundle bundle)
    {
        var parts = name.Split('.');
        var hook = parts.Length == 1 ? "resid_pre" : s_hooks.GetValueOrDefault(parts[1], "");
        if (parts.Length <= 2 && Whole(parts[0], out var layer))
        {
            if (hook.Length == 0) throw new CircuitException($"'{Short(name)}' in '{Short(piece)}' of the circuit is no site; write a layer, such as 3, 3.attn, 3.mlp or 3.resid_post, or a hook name");
            name = $"blocks.{layer}.hook_{hook}";
        }
        else if (!name.StartsWith("blocks.", StringComparison.Ordinal))
        {
            throw new CircuitException($"'{Short(name)}' in '{Short(piece)}' of the circuit is no site; {Example}");
        }
        try
        {
            return bundle.SiteNamed(name);
        }
        catch (BundleException e)
        {
            throw new CircuitException($"'{Short(piece)}' in the circuit: {e.Message}");
        }
    }

    private static bool Whole(string text, out int value) => int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static string Short(string text) => text.Length <= 60 ? text : text[..57] + "…";
}
