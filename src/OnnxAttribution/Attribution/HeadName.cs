using System.Globalization;

namespace OnnxAttribution.Attribution;

/// <summary>An attention head, written layer.head as the field does: <c>9.9</c>.</summary>
/// <param name="Layer">The block, from 0.</param>
/// <param name="Head">The query head in it, from 0.</param>
public readonly record struct HeadName(int Layer, int Head)
{
    /// <summary>Reads <c>9.9</c>; <c>L9H9</c> is taken too.</summary>
    /// <param name="text">What was given.</param>
    /// <returns>Null where the text is none.</returns>
    public static HeadName? TryParse(string text)
    {
        var parts = (text is ['L' or 'l', .. var rest] ? rest.Replace('h', '.').Replace('H', '.') : text).Split('.');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var head)
                ? new HeadName(layer, head)
                : null;
    }

    /// <summary><c>9.9</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Layer}.{Head}");
}
