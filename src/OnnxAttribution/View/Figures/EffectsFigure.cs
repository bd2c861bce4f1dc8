using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.View.Figures;

// 1. A panel per site, one scale for all, so that bars can be compared across the figure:
//    layers go up, attention stands left of the residual stream and the MLP right of it.
// 2. Sites of one kind only are laid out in a grid.
// 3. A bar is what the node's clean value does for the metric, -effect: to the right where it raises it.

/// <summary>The strongest nodes of every site, from <c>nodes.parquet</c>.</summary>
internal static class EffectsFigure
{
    /// <summary>Bars of a site.</summary>
    public const int PerSite = 5;

    private const double Margin = 20, Top = 66, BarHeight = 11, BarStep = 15, LabelRoom = 132, BarWidth = 190, PanelTop = 21, PanelGap = 12,
        ColumnGap = 22, Font = 10.5;
    private const string Hatching = "missed";

    /// <param name="run">A run directory.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string run, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var table = EffectsTable.Read(run, PerSite, cancel);
        var (places, columns, rows) = Places(table.Sites);
        var heights = Enumerable.Range(0, rows)
            .Select(r => PanelTop + (BarStep * places.Where(p => p.Value.Row == r).Max(p => table.Strongest[p.Key].Count)))
            .ToArray();
        var width = Math.Max(620, (2 * Margin) + (columns * (LabelRoom + BarWidth)) + ((columns - 1) * ColumnGap));
        var bottom = Top + heights.Sum() + (PanelGap * (rows - 1));
        using var canvas = new SvgCanvas(output, width, bottom + 96, $"strongest nodes of {table.Header.Title}", theme);
        canvas.Hatching(Hatching, theme.Box);
        canvas.Text(Margin, 30, $"What raises and lowers the {table.Header.MetricWords}", new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, $"{table.Header.Title}{(table.Header.Model.Length > 0 ? $"  ·  {table.Header.Model}" : "")}",
            new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        var x = Axis.Linear("", table.Strongest.Values.SelectMany(s => s).Select(n => (double)n.Contribution).Append(0), 4);
        foreach (var (site, (column, row)) in places)
        {
            var (left, top) = (Margin + (column * (LabelRoom + BarWidth + ColumnGap)), Top + heights.Take(row).Sum() + (PanelGap * row));
            Panel(canvas, site, table.Strongest[site], x, (left, top));
        }
        for (var c = 0; c < columns; c++) Scale(canvas, x, Margin + (c * (LabelRoom + BarWidth + ColumnGap)) + LabelRoom, bottom);
        Legend(canvas, table, bottom + 62);
    }

    // row 0 is drawn at the top
    private static (Dictionary<Site, (int Column, int Row)> Places, int Columns, int Rows) Places(IReadOnlyList<Site> sites)
    {
        SiteKind[] kinds = [.. ((SiteKind[])[SiteKind.Z, SiteKind.Attn, SiteKind.Resid, SiteKind.ResidMid, SiteKind.Mlp])
            .Where(k => sites.Any(s => s.Kind == k))];
        if (kinds.Length == 1)
        {
            var columns = sites.Count <= 3 ? 1 : sites.Count <= 8 ? 2 : 3;
            var rows = (sites.Count + columns - 1) / columns;
            return (sites.Select((s, i) => (s, i)).ToDictionary(p => p.s, p => (p.i % columns, p.i / columns)), columns, rows);
        }
        var layers = sites.Select(Layer).Distinct().OrderDescending().ToList();
        return (sites.ToDictionary(s => s, s => (Array.IndexOf(kinds, s.Kind), layers.IndexOf(Layer(s)))), kinds.Length, layers.Count);
    }

    private static int Layer(Site site) => site.Layer + (site.IsLast ? 1 : 0);

    private static void Panel(SvgCanvas canvas, Site site, IReadOnlyList<PictureNode> nodes, Axis x, (double Left, double Top) at)
    {
        var (left, top) = at;
        var (theme, start) = (canvas.Theme, left + LabelRoom);
        canvas.Text(left, top + 13, site.ShortName, new(12, Bold: true, Most: LabelRoom));
        canvas.Draw("rect", null, ("x", start), ("y", top), ("width", BarWidth), ("height", PanelTop + (BarStep * nodes.Count) - 2),
            ("fill", theme.Band));
        var zero = start + (BarWidth * x.Share(0));
        for (var i = 0; i < nodes.Count; i++)
        {
            var (node, y) = (nodes[i], top + PanelTop + (BarStep * i));
            var end = start + (BarWidth * x.Share(node.Contribution));
            var place = ((string, object?)[])[("x", Math.Min(zero, end)), ("y", y), ("width", Math.Max(0.5, Math.Abs(end - zero))),
                ("height", BarHeight)];
            var token = node.Position < 0 ? "" : $" {TokenLabel.Of(node.Token, 12)}";
            canvas.Text(start - 6, y + (BarHeight / 2) + (Font * 0.36), $"{node.Spelling}{token}",
                new(Font, theme.Ink, "end", Most: LabelRoom - 10));
            canvas.Draw("rect", Words(node), [("class", node.IsError ? "bar error" : "bar"), .. place,
                ("fill", theme.Sign(node.Contribution)), ("fill-opacity", node.IsError ? 0.55 : null)]);
            if (node.IsError) canvas.Draw("rect", null, [.. place, ("fill", $"url(#{Hatching})"), ("pointer-events", "none")]);
        }
        canvas.Line((zero, top), (zero, top + PanelTop + (BarStep * nodes.Count) - 2), theme.Quiet, 0.8);
    }

    private static string Words(PictureNode node)
    {
        var at = node.Position < 0 ? "" : $" {DisplayText.Quoted(node.Token)}";
        return $"{node.Spelling}{at}\n{(node.Contribution < 0 ? "lowers" : "raises")} the metric by "
            + $"{NumberText.Of(Math.Abs(node.Contribution))}";
    }

    private static void Scale(SvgCanvas canvas, Axis x, double left, double top)
    {
        foreach (var (value, text) in x.Ticks)
        {
            canvas.Line((left + (BarWidth * x.Share(value)), top + 2), (left + (BarWidth * x.Share(value)), top + 6),
                canvas.Theme.Quiet, 0.8);
            canvas.Text(left + (BarWidth * x.Share(value)), top + 18, text, new(Font, canvas.Theme.Quiet, "middle"));
        }
        canvas.Text(left + (BarWidth / 2), top + 35, "contribution to the metric", new(12, Anchor: "middle"));
    }

    private static void Legend(SvgCanvas canvas, EffectsTable table, double y)
    {
        var legend = new PlotLegend(canvas, Margin, y);
        legend.Box("raises the metric", canvas.Theme.Raises, 1);
        legend.Box("lowers it", canvas.Theme.Lowers, 1);
        legend.Box("error node: what the dictionary missed", canvas.Theme.Unknown, 0.8, $"url(#{Hatching})");
        var unknown = table.Unknown > 0 ? $"  ·  {NumberText.Count(table.Unknown, "node")} without an effect left out" : "";
        canvas.Text(Margin, y + legend.Height + 3,
            $"the strongest {PerSite} of each site, of {NumberText.Count(table.Nodes, "node")} in all{unknown}",
            new(11.5, canvas.Theme.Quiet, Most: canvas.Width - (2 * Margin)));
    }
}
