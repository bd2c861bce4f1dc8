using System.Globalization;

namespace OnnxAttribution.View.Figures;

// 1. Where everything lies is PictureLayout's affair; here it is moved down to make room for a title, and a legend comes below.
// 2. Bands behind rows, then edges, the weakest first, then boxes, so that strong edges lie above weak ones and no edge hides a label.
// 3. Width and opacity go with the root of |effect|: a linear scale would show the one strongest edge alone.

/// <summary>The graph of a run as one self-contained SVG file, for slides and papers.</summary>
internal static class GraphSvg
{
    private const double LeastEdge = 0.5, MoreEdge = 4.5, LeastOpacity = 0.12, MoreOpacity = 0.78, MostTint = 0.85, DarkTint = 0.6;
    private const double BoxFont = 10.5, WordFont = 9.5, RowFont = 11.5, TokenFont = 12.5, LeastFont = 8.5, ReadableWidth = 1_250,
        MostLabelScale = 1.35;
    private const string Hatching = "missed";

    /// <summary>Writes the drawing. The writer stays the caller's.</summary>
    /// <param name="details">What is known of features, for the word below each number; null: labels alone.</param>
    public static void Write(RunPicture picture, TextWriter output, SvgTheme? theme = null, FeatureDetails? details = null)
    {
        var layout = PictureLayout.Of(picture);
        var width = Math.Max(layout.Width, 760);
        var scale = Math.Max(1, width / ReadableWidth);   // a large drawing is shown small, and its title is to be read all the same
        var (top, legend) = (66 * scale, 62 * scale);
        using var canvas = new SvgCanvas(output, width, top + layout.Height + legend, picture.Header.Title, theme ?? SvgTheme.Light);
        canvas.Hatching(Hatching, canvas.Theme.Unknown);
        Title(canvas, picture, scale);
        canvas.Open("g", null, ("transform", $"translate({SvgCanvas.Number((width - layout.Width) / 2)} {SvgCanvas.Number(top)})"));
        Bands(canvas, layout, Math.Min(scale, MostLabelScale));
        Edges(canvas, picture, layout);
        Nodes(canvas, picture, layout, details ?? FeatureDetails.None);
        Tokens(canvas, layout, Math.Min(scale, MostLabelScale));
        canvas.Close("g");
        Legend(canvas, picture, top + layout.Height, scale);
    }

    private static void Title(SvgCanvas canvas, RunPicture picture, double scale)
    {
        var (margin, room) = (PictureLayout.Margin * scale, canvas.Width - (2 * PictureLayout.Margin * scale));
        canvas.Text(margin, 29 * scale, TokenLabel.FitEnd(picture.Header.Title, room * 0.93, 19 * scale), new(19 * scale, Bold: true));
        canvas.Text(margin, 50 * scale, Subtitle(picture), new(12.5 * scale, canvas.Theme.Quiet, Most: room));
    }

    private static string Subtitle(RunPicture picture)
    {
        var header = picture.Header;
        var parts = new List<string> { header.MetricWords
            + (double.IsNaN(picture.CleanMetric) ? "" : $": {NumberText.Of(picture.CleanMetric)}") };
        if (header.PatchPrompt is { } patch)
        {
            parts.Add("patched with "
                + $"{TokenLabel.Of(patch, 60)}{(double.IsNaN(header.PatchMetric) ? "" : $": {NumberText.Of(header.PatchMetric)}")}");
        }
        if (picture.Component is { } circuit) parts.Add($"separate circuit {NumberText.Count(circuit)}");
        if (header.Model.Length > 0) parts.Add(header.Model);
        if (!double.IsNaN(header.ExplainedByFeatures))
        {
            parts.Add(
                string.Create(CultureInfo.InvariantCulture, $"features carry {100 * header.ExplainedByFeatures:0} % of all |effect|"));
        }
        return string.Join("  ·  ", parts);
    }

    private static void Bands(SvgCanvas canvas, PictureLayout layout, double scale)
    {
        for (var r = 0; r < layout.Rows.Count; r++)
        {
            var row = layout.Rows[r];
            if (r % 2 == 0)
            {
                canvas.Draw("rect", null, ("class", "band"), ("x", 0), ("y", row.Top - (PictureLayout.RowGap / 2)), ("width", layout.Width),
                    ("height", row.Bottom - row.Top + PictureLayout.RowGap), ("fill", canvas.Theme.Band));
            }
            var size = TokenLabel.FittingSize(row.Label, PictureLayout.LeftMargin - PictureLayout.Margin - 6, LeastFont, RowFont * scale);
            canvas.Text(PictureLayout.Margin, ((row.Top + row.Bottom) / 2) + (size * 0.36), row.Label, new(size, canvas.Theme.Quiet));
        }
    }

    private static void Edges(SvgCanvas canvas, RunPicture picture, PictureLayout layout)
    {
        var most = Most(picture.Edges.Select(e => e.Effect));
        canvas.Open("g", null, ("class", "edges"), ("fill", "none"));
        foreach (var e in picture.Edges.Reverse())
        {
            var strength = Strength(e.Effect, most);
            var (x1, y1) = (layout.X[e.Up], layout.Y[e.Up] - (PictureLayout.BoxHeight / 2));
            var (x2, y2) = (layout.X[e.Down], layout.Y[e.Down] + (PictureLayout.BoxHeight / 2));
            var bend = (y1 - y2) / 2;
            canvas.Draw("path", PictureWords.Of(picture, e), ("class", "edge"), ("data-up", e.Up), ("data-down", e.Down),
                ("d", $"M{SvgCanvas.Number(x1)} {SvgCanvas.Number(y1)}C{SvgCanvas.Number(x1)} {SvgCanvas.Number(y1 - bend)} "
                    + $"{SvgCanvas.Number(x2)} {SvgCanvas.Number(y2 + bend)} {SvgCanvas.Number(x2)} {SvgCanvas.Number(y2)}"),
                ("stroke", canvas.Theme.Sign(PictureWords.Does(picture, e))), ("stroke-width", LeastEdge + (MoreEdge * strength)),
                ("stroke-opacity", LeastOpacity + (MoreOpacity * strength)));
        }
        canvas.Close("g");
    }

    private static void Nodes(SvgCanvas canvas, RunPicture picture, PictureLayout layout, FeatureDetails details)
    {
        var most = Most(picture.Nodes.Select(n => n.Effect));
        canvas.Open("g", null, ("class", "nodes"), ("text-anchor", "middle"));
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            var node = picture.Nodes[i];
            canvas.Open("g", PictureWords.Of(picture, node),
                ("class", node.IsError ? "node error" : node.IsMetric ? "node metric" : "node"), ("data-node", i));
            if (node.IsMetric)
            {
                Metric(canvas, picture, layout, layout.X[i], layout.Y[i]);
            }
            else
            {
                var word = details.WordOf(picture, node) is { } w ? picture.LabelOf(node) is null ? TokenLabel.Of(w) : w : null;
                Box(canvas, node, word, Strength(node.Effect, most) * MostTint, (layout.X[i], layout.Y[i]));
            }
            canvas.Close("g");
        }
        canvas.Close("g");
    }

    private static void Box(SvgCanvas canvas, PictureNode node, string? word, double tint, (double X, double Y) at)
    {
        var (x, y) = at;
        var (theme, colour) = (canvas.Theme, canvas.Theme.Sign(float.IsNaN(node.Effect) ? double.NaN : node.Contribution));
        (string, object?)[] place = [("x", x - (PictureLayout.BoxWidth / 2)), ("y", y - (PictureLayout.BoxHeight / 2)),
            ("width", PictureLayout.BoxWidth), ("height", PictureLayout.BoxHeight), ("rx", 4)];
        canvas.Draw("rect", null, [.. place, ("fill", theme.Box)]);
        if (node.IsError) canvas.Draw("rect", null, [.. place, ("fill", $"url(#{Hatching})"), ("fill-opacity", 0.35)]);
        canvas.Draw("rect", null, [.. place, ("fill", colour), ("fill-opacity", tint * (node.IsError ? 0.6 : 1)),
            ("stroke", node.IsError ? theme.Quiet : colour), ("stroke-dasharray", node.IsError ? "4 2.5" : null)]);
        var ink = tint > DarkTint && !node.IsError ? theme.Box : theme.Ink;
        var font = TokenLabel.FittingSize(node.Label, PictureLayout.BoxWidth - 3, LeastFont / 2, BoxFont);   // a number is never cut
        canvas.Text(x, y + (word is null ? BoxFont * 0.36 : -2.5), node.Label, new(font, ink, "middle"));
        if (word is null) return;
        canvas.Text(x, y + 9, TokenLabel.Fit(word, PictureLayout.BoxWidth - 6, WordFont),
            new(WordFont, ink, "middle", Most: PictureLayout.BoxWidth - 3));
    }

    // alone in its row, so that it may be as wide as its name
    private static void Metric(SvgCanvas canvas, RunPicture picture, PictureLayout layout, double x, double y)
    {
        var name = MetricName(picture);
        var width = Math.Clamp(TokenLabel.Width(name, BoxFont) + 18, PictureLayout.BoxWidth,
            2 * Math.Min(x - (PictureLayout.LeftMargin / 2), layout.Width - x));
        canvas.Draw("rect", null, ("x", x - (width / 2)), ("y", y - (PictureLayout.BoxHeight / 2)), ("width", width),
            ("height", PictureLayout.BoxHeight), ("rx", 11), ("fill", canvas.Theme.Ink));
        canvas.Text(x, y + (BoxFont * 0.36), name, new(BoxFont, canvas.Theme.Box, "middle", Bold: true, Most: width - 8));
    }

    private static string MetricName(RunPicture picture) =>
        picture.Header.Target is { } target
            ? picture.Header.Foil is { } foil ? $"{TokenLabel.Of(target, 14)} − {TokenLabel.Of(foil, 14)}" : TokenLabel.Of(target, 20)
            : "metric";

    private static void Tokens(SvgCanvas canvas, PictureLayout layout, double scale)
    {
        var y = layout.Height - PictureLayout.TokenBand + (PictureLayout.RowGap / 2) + (TokenFont * scale * 1.25);
        foreach (var column in layout.Columns)
        {
            if (column.IsTick)
            {
                canvas.Line((column.Centre, y - 10), (column.Centre, y - 2), canvas.Theme.Quiet, 0.8);
                continue;
            }
            var room = column.Right - column.Left + PictureLayout.ColumnGap - 4;
            var text = column.Position is null ? column.Label : TokenLabel.Of(column.Label, 32);
            canvas.Text(column.Centre, y, text,
                new(TokenLabel.FittingSize(text, room * 0.92, LeastFont, TokenFont * scale), Anchor: "middle", Bold: true, Most: room));
            if (column.Position is { } position)
            {
                canvas.Text(column.Centre, y + (13 * scale), position.ToString(CultureInfo.InvariantCulture),
                    new(9 * scale, canvas.Theme.Quiet, "middle"));
            }
        }
    }

    private static void Legend(SvgCanvas canvas, RunPicture picture, double top, double scale)
    {
        var (theme, isAblation, font) = (canvas.Theme, picture.Header.IsAblation, 12 * scale);
        var (x, y) = (PictureLayout.Margin * scale, top + (20 * scale));
        void Entry(string words, Action<double, double> mark)
        {
            mark(x, y - (font * 0.36));
            canvas.Text(x + (32 * scale), y, words, new(font, theme.Quiet));
            x += (32 * scale) + TokenLabel.Width(words, font) + (22 * scale);
        }
        void Stroke(string colour, double at, double middle) => canvas.Line((at, middle), (at + (25 * scale), middle), colour, 3.5 * scale);
        var (raises, lowers) = picture.Header.ShowsAblation ? ("moved away: raises", "moved away: lowers") : ("raises", "lowers");
        var what = isAblation ? "the downstream activation" : "the metric";
        Entry($"{raises} {what}", (at, middle) => Stroke(theme.Raises, at, middle));
        Entry(isAblation ? "lowers it" : $"{lowers} the metric", (at, middle) => Stroke(theme.Lowers, at, middle));
        Entry("error node: what the dictionary missed", (at, middle) =>
        {
            canvas.Draw("rect", null, ("x", at), ("y", middle - (7 * scale)), ("width", 25 * scale), ("height", 14 * scale), ("rx",
                3 * scale), ("fill", $"url(#{Hatching})"), ("fill-opacity", 0.5), ("stroke", theme.Quiet), ("stroke-dasharray", "4 2.5"));
        });
        var shown = $"{Count(picture.Nodes.Count - 1, picture.KeptNodes, "node")}, "
            + $"{Count(picture.Edges.Count, picture.Stored.Edges.Length, "edge")}";
        var strongest = picture.Edges.Count > 0
            ? $"  ·  width of lines: √|effect|, the strongest {NumberText.Of(Most(picture.Edges.Select(e => e.Effect)))}"
            : "";
        canvas.Text(PictureLayout.Margin * scale, y + (22 * scale), $"{shown}{strongest}  ·  tint of boxes: what "
                + $"{(picture.Header.ShowsAblation ? "moving each away" : "each")} does for the metric",
            new(font, theme.Quiet, Most: canvas.Width - (2 * PictureLayout.Margin * scale)));
    }

    private static string Count(int drawn, int all, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{(drawn < all ? $"{drawn:N0} of " : "")}{all:N0} {noun}{(all == 1 ? "" : "s")}");

    private static double Most(IEnumerable<float> effects) =>
        effects.Where(e => !float.IsNaN(e)).Select(e => (double)Math.Abs(e)).DefaultIfEmpty(0).Max();

    private static double Strength(float effect, double most) => most > 0 && !float.IsNaN(effect) ? Math.Sqrt(Math.Abs(effect) / most) : 0;
}
