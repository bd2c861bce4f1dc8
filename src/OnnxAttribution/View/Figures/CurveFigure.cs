using System.Globalization;
using OnnxAttribution.Files;

namespace OnnxAttribution.View.Figures;

// 1. A panel per position of the downstream feature, those that respond most; a position where the feature never changes has none.
// 2. The measured curve with a point per coefficient, and the gradient's line dashed.
// 3. A bend lies between two coefficients: that stretch is shaded and numbered, and the numbers are explained below.

/// <summary>A response curve: what scaling one feature really does to another, against what the gradient promises.</summary>
internal static class CurveFigure
{
    private const int MostPanels = 6, MostNotes = 14;
    private const double Margin = 20, Top = 66, NoteFont = 11.5, NoteHeight = 16;

    /// <param name="path">A run directory that has a curve, or the Parquet file of one.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var curve = CurveTable.Read(path, cancel);
        var shown = curve.Positions.OrderByDescending(p => p.Range)
            .Where((p, i) => i == 0 || (i < MostPanels && p.Range > 0))
            .OrderBy(p => p.Position)
            .ToList();
        var columns = Math.Min(shown.Count, 3);
        var (panelWidth, panelHeight) = columns == 1 ? (780.0, 360.0) : columns == 2 ? (400.0, 280.0) : (300.0, 230.0);
        var notes = Notes(shown);
        var rows = (shown.Count + columns - 1) / columns;
        var width = Margin + (columns * (PlotPanel.LeftRoom + panelWidth + 16)) + Margin;
        var bottom = Top + (rows * (PlotPanel.TopRoom + panelHeight + PlotPanel.BottomRoom));
        using var canvas = new SvgCanvas(output, width, bottom + 52 + (NoteHeight * notes.Count), curve.Title, theme);
        canvas.Text(Margin, 30, curve.Title, new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, "real interventions: everything behind the scaled feature is computed again, along all paths",
            new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        var number = 0;
        for (var i = 0; i < shown.Count; i++)
        {
            var (left, top) = (Margin + PlotPanel.LeftRoom + (i % columns * (PlotPanel.LeftRoom + panelWidth + 16)),
                Top + PlotPanel.TopRoom + (i / columns * (PlotPanel.TopRoom + panelHeight + PlotPanel.BottomRoom)));
            number = Panel(canvas, shown[i], new PlotFrame(left, top, panelWidth, panelHeight), number, i % columns == 0);
        }
        Legend(canvas, curve, shown.Count, bottom + 16);
        for (var i = 0; i < notes.Count; i++)
        {
            canvas.Text(Margin, bottom + 52 + (NoteHeight * i), notes[i], new(NoteFont, theme.Quiet, Most: width - (2 * Margin)));
        }
    }

    /// <returns>The number of the last bend so far.</returns>
    private static int Panel(SvgCanvas canvas, CurvePosition position, PlotFrame at, int number, bool isFirst)
    {
        var points = position.Points;
        var x = Axis.Linear("coefficient of the upstream feature (1: as it was)", points.Select(p => p.Coefficient));
        var y = Axis.Linear(isFirst ? "downstream activation" : "", points.SelectMany(p => (double[])[p.Activation, p.Line]));
        var panel = new PlotPanel(canvas, at, x, y);
        var theme = canvas.Theme;
        for (var i = 1; i < points.Count; i++)
        {
            if (!points[i].Switched) continue;
            var (from, to) = (panel.X(points[i - 1].Coefficient), panel.X(points[i].Coefficient));
            canvas.Draw("rect", points[i].Cause ?? "bend", ("class", "bend"), ("x", from), ("y", at.Top), ("width", to - from),
                ("height", at.Height), ("fill", theme.Unknown), ("fill-opacity", 0.16), ("stroke", theme.Box), ("stroke-width", 0.8));
        }
        panel.Frame($"at {position.Position.ToString(CultureInfo.InvariantCulture)} {DisplayText.Quoted(position.Token)}");
        panel.Line("gradient", points.Select(p => (p.Coefficient, (double)p.Line)), theme.Lowers, 1.8, "6 4");
        panel.Line("curve", points.Select(p => (p.Coefficient, (double)p.Activation)), theme.Raises, 2.2);
        foreach (var p in points.Where(p => double.IsFinite(p.Activation)))
        {
            panel.Point("point", (p.Coefficient, p.Activation), new(theme.Raises, 3),
                $"coefficient {NumberText.Of(p.Coefficient)}: {NumberText.Of(p.Activation)}, the gradient says {NumberText.Of(p.Line)}");
        }
        for (var i = 1; i < points.Count; i++)
        {
            if (points[i].Switched)
            {
                canvas.Text((panel.X(points[i - 1].Coefficient) + panel.X(points[i].Coefficient)) / 2, at.Top + 13,
                    (++number).ToString(CultureInfo.InvariantCulture), new(10.5, theme.Ink, "middle", Bold: true));
            }
        }
        return number;
    }

    private static List<string> Notes(List<CurvePosition> shown)
    {
        var notes = new List<string>();
        foreach (var position in shown)
        {
            for (var i = 1; i < position.Points.Count; i++)
            {
                var (before, at) = (position.Points[i - 1], position.Points[i]);
                if (at.Switched)
                {
                    notes.Add($"{(notes.Count + 1).ToString(CultureInfo.InvariantCulture)}  between {NumberText.Of(before.Coefficient)} "
                        + $"and {NumberText.Of(at.Coefficient)}: {at.Cause}");
                }
            }
        }
        if (notes.Count > MostNotes) notes = [.. notes.Take(MostNotes - 1), $"… and {notes.Count - MostNotes + 1} more, in the tooltips"];
        return notes;
    }

    private static void Legend(SvgCanvas canvas, CurveTable curve, int shown, double y)
    {
        var legend = new PlotLegend(canvas, Margin, y);
        legend.Line("measured", canvas.Theme.Raises);
        legend.Line("the gradient's straight line", canvas.Theme.Lowers, "6 4");
        legend.Box("bends", canvas.Theme.Unknown, 0.3);
        if (curve.Positions.Count > shown)
        {
            canvas.Text(Margin, y + 19, $"{NumberText.Count(curve.Positions.Count - shown, "position")} that "
                + $"{(curve.Positions.Count - shown == 1 ? "responds" : "respond")} less or not at all left out{Unknown(curve)}",
                new(NoteFont, canvas.Theme.Quiet, Most: canvas.Width - (2 * Margin)));
        }
        else if (curve.Unknown > 0)
        {
            canvas.Text(Margin, y + 19, Unknown(curve)[2..], new(NoteFont, canvas.Theme.Quiet));
        }
    }

    private static string Unknown(CurveTable curve) =>
        curve.Unknown == 0 ? "" : $"; {NumberText.Count(curve.Unknown, "row")} without a number left out";
}
