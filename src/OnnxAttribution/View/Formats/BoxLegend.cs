using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Formats;

/// <summary>What boxes, shades and arrows of a boxed figure mean.</summary>
internal static class BoxLegend
{
    /// <summary>In pixels, however wide the figure is.</summary>
    public const double Height = 120;

    private const double Margin = 28, LineHeight = 18;

    public static void Draw(SvgCanvas canvas, RunPicture picture, IReadOnlyList<BoxContent> boxes, double y)
    {
        var (theme, legend) = (canvas.Theme, new PlotLegend(canvas, Margin, y));
        var (away, what) = (picture.Header.ShowsAblation ? "moved away: " : "",
            picture.Header.IsAblation ? "the downstream activation, or the metric" : "the metric");
        var change = picture.Stored.Record.SignOfClean > 0 ? "ln p(ablated) − ln p(clean)" : "ln p(clean) − ln p(ablated)";
        legend.Line($"{away}raises {what}", theme.Raises);
        legend.Line($"{away}lowers {what}", theme.Lowers);
        if (boxes.Any(b => b.Contexts.Count > 0)) legend.Box("activation over the context's largest", theme.Series[0], 0.7);
        if (boxes.Any(b => b.IsMeasured)) legend.Box($"tokens measured in this pass: {change}", theme.Raises, 0.2);
        if (boxes.Any(b => b is { Tokens: not null, IsMeasured: false }))
        {
            legend.Frame("direct: decoder row through final norm and unembedding", theme.Raises);
        }
        var most = picture.Edges.Select(e => (double)Math.Abs(e.Effect)).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        var arrows = picture.Edges.Count == 0 ? "" : $"  ·  opacity of arrows: |effect| / {NumberText.Of(most)}, the largest";
        string[] lines =
        [
            $"{Count(picture.Nodes.Count - 1, picture.KeptNodes, "node")}, "
                + $"{Count(picture.Edges.Count, picture.Stored.Edges.Length, "edge")}{arrows}",
            "+ promoted, − suppressed tokens  ·  at the right of a box: its effect on the metric",
        ];
        for (var i = 0; i < lines.Length; i++)
        {
            canvas.Text(Margin, y + legend.Height + 4 + (i * LineHeight), lines[i],
                new(11.5, theme.Quiet, Most: canvas.Width - (2 * Margin)));
        }
    }

    private static string Count(int drawn, int all, string noun) =>
        drawn < all ? $"{NumberText.Count(drawn)} of {NumberText.Count(all, noun)}" : NumberText.Count(all, noun);
}
