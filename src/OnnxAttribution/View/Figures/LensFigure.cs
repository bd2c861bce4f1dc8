using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>Logit lens: the metric read off the residual stream, half layer by half layer, at the metric's position.</summary>
internal static class LensFigure
{
    private const double Margin = 20, Top = 66, Height = 320, LeastWidth = 560, Step = 22;

    /// <param name="path">A directory that <c>lens --out</c> wrote.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var position = LensDirectory.ReadRecord(path).Position;
        var (record, rows) = LensTable.Read<LensRow>(path, "readings", r => r.Position is null || r.Position == position, cancel);
        var plot = Math.Max(LeastWidth, Step * rows.Count);
        using var canvas = new SvgCanvas(output, (2 * Margin) + PlotPanel.LeftRoom + plot, Top + PlotPanel.TopRoom + Height + 86,
            $"logit lens of {LensTable.Metric(record)}", theme);
        canvas.Text(Margin, 30, "What the residual stream says, block by block", new(18, Bold: true, Most: plot));
        canvas.Text(Margin, 51, LensTable.Asked(record), new(12.5, theme.Quiet, Most: plot));
        var panel = new PlotPanel(canvas, new PlotFrame(Margin + PlotPanel.LeftRoom, Top + PlotPanel.TopRoom, plot, Height),
            Axis.Linear("blocks passed (halves: behind a block's attention)", rows.Select(r => r.Depth)),
            Axis.Linear("logits", rows.Select(r => r.Value).Append(0)));
        panel.Frame("");
        panel.Line("lens", rows.Select(r => (r.Depth, r.Value)), theme.Raises, 2.2);
        foreach (var r in rows.Where(r => double.IsFinite(r.Value)))
        {
            var words = $"{Site.Parse(r.Site).ShortName}: {NumberText.Of(r.Value)}";
            panel.Point("lens-point", (r.Depth, r.Value), new(theme.Raises, 3), words);
        }
        var scale = record.Scale == "own" ? "each stream divided by its own scale" : "all divided by the final stream's scale";
        canvas.Text(Margin, Top + PlotPanel.TopRoom + Height + 70, $"{scale}; the final norm's bias is in each value",
            new(11.5, theme.Quiet, Most: plot));
    }
}
