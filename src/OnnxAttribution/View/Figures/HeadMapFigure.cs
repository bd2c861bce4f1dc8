using System.Globalization;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>What each attention head adds to the metric directly: a cell for each, layers down and heads across, white at 0.</summary>
internal static class HeadMapFigure
{
    private const double Margin = 20, Top = 72, Cell = 30, Left = 64, LeastWidth = 420;

    /// <param name="path">A directory that <c>lens --heads --out</c> wrote.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var (record, rows) = LensTable.Read<SummandRow>(path, "heads", r => r.Head is not null, cancel);
        var (layers, heads) = (rows.Max(r => r.Layer!.Value) + 1, rows.Max(r => r.Head!.Value) + 1);
        var most = rows.Max(r => Math.Abs(r.Value));
        var (width, bottom) = (Math.Max(LeastWidth, Margin + Left + (Cell * heads) + Margin), Top + 20 + (Cell * layers));
        using var canvas = new SvgCanvas(output, width, bottom + 74, $"heads of {LensTable.Metric(record)}", theme);
        canvas.Text(Margin, 30, "What heads add to the metric", new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, LensTable.Asked(record), new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        string Number(int n) => n.ToString(CultureInfo.InvariantCulture);
        for (var h = 0; h < heads; h++)
        {
            canvas.Text(Left + (Cell * (h + 0.5)), Top + 12, Number(h), new(11, theme.Quiet, "middle"));
        }
        for (var l = 0; l < layers; l++) canvas.Text(Left - 8, Top + 20 + (Cell * (l + 0.62)), Number(l), new(11, theme.Quiet, "end"));
        foreach (var row in rows)
        {
            canvas.Draw("rect", $"head {row.Name}: {NumberText.Of(row.Value)}", ("class", "cell"), ("x", Left + (Cell * row.Head!.Value)),
                ("y", Top + 20 + (Cell * row.Layer!.Value)), ("width", Cell - 1), ("height", Cell - 1), ("fill", theme.Sign(row.Value)),
                ("fill-opacity", most > 0 ? Math.Round(Math.Abs(row.Value) / most, 3) : 0), ("stroke", theme.Rule), ("stroke-width", 0.6));
        }
        canvas.Text(Margin + 12, Top + 20 + (Cell * layers / 2), "layer", new(12, Anchor: "middle", Turned: true));
        canvas.Text(Left + (Cell * heads / 2), bottom + 18, "head", new(12, Anchor: "middle"));
        var legend = new PlotLegend(canvas, Margin, bottom + 44);
        legend.Box("raises the metric", theme.Raises, 1);
        legend.Box("lowers it", theme.Lowers, 1);
        canvas.Text(Margin, bottom + 64, $"full colour: {NumberText.Of(most)} logits", new(11.5, theme.Quiet));
    }
}
