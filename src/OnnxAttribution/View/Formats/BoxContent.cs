using OnnxAttribution.Dashboards;

namespace OnnxAttribution.View.Formats;

/// <summary>What a box says of a node.</summary>
/// <param name="Label">What the feature is said to stand for, on lines that have room; none: it has no label.</param>
/// <param name="Contexts">Where the feature is most active.</param>
/// <param name="Tokens">What it promotes and suppresses; null: not known, or no feature.</param>
/// <param name="IsMeasured">Whether <paramref name="Tokens"/> are those of an ablation in this pass.</param>
internal sealed record BoxContent(PictureNode Node, IReadOnlyList<string> Label, IReadOnlyList<FeatureContext> Contexts,
    TokenLists? Tokens, bool IsMeasured)
{
    public const double Width = 400, Padding = 10, HeadHeight = 26, LabelLine = 16, ContextLine = 19, TokenLine = 20, LabelFont = 12;

    private const int MostLabelLines = 2, ShownTokens = 10;

    /// <summary>In pixels.</summary>
    public double Height => HeadHeight + (Label.Count * LabelLine) + (Contexts.Count * ContextLine)
        + (Tokens is null ? 0 : 2 * TokenLine) + (Label.Count + Contexts.Count > 0 || Tokens is not null ? Padding : 6);

    /// <param name="contexts">At most so many.</param>
    public static BoxContent Of(RunPicture picture, PictureNode node, FeatureDetails details, MeasuredTokens measured, int contexts)
    {
        if (node.IsMetric || node.IsError || node.IsToken) return new(node, [], [], null, false);
        var own = measured[node];
        var tokens = own ?? details.Tokens(node);
        var examples = details.Card(node.Site!.Name, node.Feature)?.Contexts ?? [];
        return new(node, Lines(picture.LabelOf(node)), [.. examples.Where(c => c.Quantile == 0).Take(contexts)],
            tokens is null ? null : new([.. tokens.Promoted.Take(ShownTokens)], [.. tokens.Suppressed.Take(ShownTokens)]), own is not null);
    }

    // between words where that can be
    private static IReadOnlyList<string> Lines(string? label)
    {
        if (label is null) return [];
        var (lines, rest, room) = (new List<string>(), label, Width - (2 * Padding));
        while (rest.Length > 0)
        {
            if (lines.Count == MostLabelLines - 1 || BoxText.Width(rest, LabelFont) <= room)
            {
                lines.Add(BoxText.Fit(rest, room, LabelFont));
                break;
            }
            var fitting = BoxText.Fit(rest, room, LabelFont)[..^1];
            var space = fitting.LastIndexOf(' ');
            var end = space > 0 ? space : fitting.Length;
            lines.Add(rest[..end]);
            rest = rest[end..].TrimStart();
        }
        return lines;
    }
}
