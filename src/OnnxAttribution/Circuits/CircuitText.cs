using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>Circuits in short: <c>3:953;4:7780,312</c>, that is site:features,
/// with <c>@position</c> behind a feature that counts at one position only and <c>=value</c> before it where the feature is set to one
/// (<c>3:953=12@5</c>); <c>3.mlp:error@5</c> is an error node.</summary>
/// <remarks>A site is a layer (its <c>hook_resid_pre</c>), a layer and a kind (<c>3.attn</c>,
/// <c>3.mlp</c>, <c>3.resid_post</c>), or a hook name.</remarks>
internal static class CircuitText
{
    private const string Example = "write site:features, such as 3:953;4.mlp:7780,312@5";

    /// <summary>Reads a circuit.</summary>
    /// <param name="text">Pieces are separated by ';' or line ends; what follows '#' on a line is a remark.</param>
    /// <param name="file">Where the text is from, for messages; null: from the command line.</param>
    /// <exception cref="CircuitException">A piece does not parse,
    /// or names a site that the model does not have; the message points at it.</exception>
    public static Circuit Parse(string text, LoadedModel model, string? file = null)
    {
        var nodes = new List<CircuitNode>();
        foreach (var (i, line) in text.ReplaceLineEndings("\n").Split('\n').Index())
        {
            try
            {
                nodes.AddRange(line.Split('#')[0]
                    .Split(';')
                    .Select(p => p.Trim())
                    .Where(p => p.Length > 0)
                    .SelectMany(p => Piece(p, model.Bundle)));
            }
            catch (CircuitException e) when (file is not null)
            {
                throw new CircuitException($"{file}, line {i + 1}: {e.Message}");
            }
        }
        return new Circuit(nodes);
    }

    private static IEnumerable<CircuitNode> Piece(string piece, ModelBundle bundle)
    {
        piece = FeatureName.Today(piece);
        var colon = piece.LastIndexOf(':');
        if (colon < 0) throw new CircuitException($"'{Short(piece)}' in the circuit has no ':'; {Example}{FeatureName.OfPage(piece)}");
        var site = SiteOf(piece, piece[..colon].Trim(), bundle);
        foreach (var item in piece[(colon + 1)..].Split(','))
        {
            var (name, value) = Valued(item.Trim(), piece);
            var (feature, position) = Unit(string.Join('@', name.Split('@').Select(p => p.Trim())))
                ?? throw new CircuitException($"'{Short(item.Trim())}' in '{Short(piece)}' of the circuit is no feature; {Example}");
            if (feature == CausalNode.Error && value is not null)
            {
                throw new CircuitException($"'{Short(item.Trim())}' in '{Short(piece)}' of the circuit sets an error node, which is a "
                    + "vector; only features have a value");
            }
            yield return new CircuitNode(site, position ?? TokenPosition.All, feature) { Value = value };
        }
    }

    // 953=12@5 and 953@5=12 are 953@5, to be set to 12
    private static (string Name, float? Value) Valued(string item, string piece)
    {
        var sign = item.IndexOf('=');
        if (sign < 0) return (item, null);
        var at = item.IndexOf('@', sign);
        var text = (at < 0 ? item[(sign + 1)..] : item[(sign + 1)..at]).Trim();
        if (!float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !float.IsFinite(value))
        {
            throw new CircuitException($"'{Short(text)}' in '{Short(piece)}' of the circuit is no value; write a number, "
                + "such as 3:953=12@5");
        }
        return (item[..sign] + (at < 0 ? "" : item[at..]), value);
    }

    // as features are written, and the error node by its word
    private static (int Feature, int? Position)? Unit(string text) =>
        text.Split('@')[0] == FeatureName.Error && FeatureName.Unit($"0{text[FeatureName.Error.Length..]}") is { } error
            ? (CausalNode.Error, error.Position)
            : FeatureName.Unit(text);

    private static Site SiteOf(string piece, string name, ModelBundle bundle)
    {
        var hook = Site.FromShort(name)
            ?? throw new CircuitException($"'{Short(name)}' in '{Short(piece)}' of the circuit is no site; "
                + "write a layer, such as 3, 3.attn, 3.mlp, 3.resid_mid, 3.z or 3.resid_post, or a hook name, and ';' between sites");
        try
        {
            return bundle.SiteNamed(hook);
        }
        catch (BundleException e)
        {
            throw new CircuitException($"'{Short(piece)}' in the circuit: {e.Message}");
        }
    }

    private static string Short(string text) => text.Length <= 60 ? text : text[..57] + "…";
}
