using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

// 1. A panel per position, those where the stream moves most along the direction; one scale for all.
// 2. h as a line from block to block, and between two of its points what attention and MLP wrote, as bars from 0.
// 3. Above each panel the strongest features along the direction that are active there.

/// <summary>A direction through the residual stream: where it is written in, and where scrubbed out.</summary>
internal static class TraceFigure
{
    private const int MostPanels = 6, MostFeatures = 3;
    private const double Margin = 20, Top = 66, Height = 210, Step = 34, LeastWidth = 300, WordsRoom = 20;

    /// <param name="path">A directory that <c>lens --along … --out</c> wrote.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var record = TraceDirectory.ReadRecord(path);
        var rows = TraceDirectory.Read<TraceRow>(path, cancel);
        if (rows.Count == 0) throw FigureException.NoRows(path, "rows");
        var features = TraceDirectory.Read<TraceFeatureRow>(path, cancel).Where(f => f.Activation > 0).ToLookup(f => f.Position);
        var shown = rows.GroupBy(r => r.Position).OrderByDescending(p => p.Sum(r => Math.Abs(r.Attn) + Math.Abs(r.Mlp)))
            .Take(MostPanels).OrderBy(p => p.Key).ToList();
        var columns = Math.Min(shown.Count, 3);
        var plot = Math.Max(LeastWidth, Step * (rows.Max(r => r.Layer) + 1));
        var row = PlotPanel.TopRoom + WordsRoom + Height + PlotPanel.BottomRoom;
        var bottom = Top + (row * ((shown.Count + columns - 1) / columns));
        using var canvas = new SvgCanvas(output, (2 * Margin) + (columns * (PlotPanel.LeftRoom + plot + 12)), bottom + 44,
            $"trace of {record.Along}", theme);
        canvas.Text(Margin, 30, $"Where {record.Along} is written in and scrubbed out", new(18, Bold: true, Most: canvas.Width - 40));
        canvas.Text(Margin, 51, $"{TokenLabel.Line(record.Prompt ?? "")}  ·  {record.Model}",
            new(12.5, theme.Quiet, Most: canvas.Width - 40));
        var y = shown.SelectMany(p => p.SelectMany(r => (double[])[r.Before, r.After, r.Attn, r.Mlp])).Append(0).ToList();
        for (var i = 0; i < shown.Count; i++)
        {
            var at = new PlotFrame(Margin + PlotPanel.LeftRoom + (i % columns * (PlotPanel.LeftRoom + plot + 12)),
                Top + PlotPanel.TopRoom + WordsRoom + (i / columns * row), plot, Height);
            Panel(canvas, at, [.. shown[i]], Axis.Linear(i % columns == 0 ? "along the direction" : "", y));
            var words = features[shown[i].Key].OrderByDescending(f => f.Cosine).Take(MostFeatures)
                .Select(f => $"{FeatureName.Of(f.Site, f.Feature)} {NumberText.Of(f.Activation)}");
            canvas.Text(at.Left, at.Top - 26, string.Join("  ", words), new(10.5, theme.Quiet, Most: plot));
        }
        Legend(canvas, bottom + 8);
    }

    private static void Panel(SvgCanvas canvas, PlotFrame at, TraceRow[] rows, Axis y)
    {
        var (theme, layers) = (canvas.Theme, rows.Length);
        var panel = new PlotPanel(canvas, at, Axis.Linear("blocks passed", [0, layers]), y);
        panel.Frame($"at {rows[0].Position} {DisplayText.Quoted(rows[0].Token)}");
        foreach (var r in rows)
        {
            Bar(canvas, panel, (r.Layer + 0.2, r.Layer + 0.45), r.Attn, ("attn", theme.Series[0], $"{r.Layer}.attn"));
            Bar(canvas, panel, (r.Layer + 0.55, r.Layer + 0.8), r.Mlp, ("mlp", theme.Series[1], $"{r.Layer}.mlp"));
        }
        panel.Line("h", rows.Select(r => ((double)r.Layer, r.Before)).Append((layers, rows[^1].After)), theme.Ink, 2);
        foreach (var r in rows)
        {
            panel.Point("h-point", (r.Layer, r.Before), new(theme.Ink, 2.6), $"{r.Layer}: {NumberText.Of(r.Before)}");
        }
    }

    private static void Bar(SvgCanvas canvas, PlotPanel panel, (double From, double To) x, double value,
        (string Kind, string Colour, string Name) what)
    {
        var (zero, end) = (panel.Y(0), panel.Y(value));
        canvas.Draw("rect", $"{what.Name}: {NumberText.Of(value)}", ("class", what.Kind), ("x", panel.X(x.From)),
            ("y", Math.Min(zero, end)), ("width", panel.X(x.To) - panel.X(x.From)),
            ("height", Math.Max(0.4, Math.Abs(end - zero))), ("fill", what.Colour));
    }

    private static void Legend(SvgCanvas canvas, double y)
    {
        var legend = new PlotLegend(canvas, Margin, y);
        legend.Line("the stream along the direction", canvas.Theme.Ink);
        legend.Box("what attention wrote", canvas.Theme.Series[0], 1);
        legend.Box("what the MLP wrote", canvas.Theme.Series[1], 1);
        canvas.Text(Margin, y + legend.Height + 2, "above a panel: features along it that are active there, with their activations",
            new(11.5, canvas.Theme.Quiet, Most: canvas.Width - (2 * Margin)));
    }
}
