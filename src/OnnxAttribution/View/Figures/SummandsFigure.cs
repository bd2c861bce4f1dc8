using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>Direct logit attribution: a bar for each summand of the final residual stream, in the order of computation.</summary>
internal static class SummandsFigure
{
    private const double Margin = 20, Top = 66, Height = 300, BarStep = 24, LeastWidth = 420, NameRoom = 66;

    /// <param name="path">A directory that <c>lens --out</c> wrote.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var (record, rows) = LensTable.Read<SummandRow>(path, "summands", r => r.Of is null, cancel);
        var plot = Math.Max(LeastWidth, BarStep * rows.Count);
        using var canvas = new SvgCanvas(output, (2 * Margin) + PlotPanel.LeftRoom + plot, Top + PlotPanel.TopRoom + Height + NameRoom + 70,
            $"summands of {LensTable.Metric(record)}", theme);
        canvas.Text(Margin, 30, "What adds to the metric", new(18, Bold: true, Most: plot));
        canvas.Text(Margin, 51, LensTable.Asked(record), new(12.5, theme.Quiet, Most: plot));
        var frame = new PlotFrame(Margin + PlotPanel.LeftRoom, Top + PlotPanel.TopRoom, plot, Height);
        var y = Axis.Linear("logits", rows.Select(r => r.Value).Append(0));
        double At(double value) => frame.Top + (frame.Height * (1 - y.Share(value)));
        foreach (var (value, text) in y.Ticks)
        {
            canvas.Line((frame.Left, At(value)), (frame.Left + frame.Width, At(value)), theme.Rule, value == 0 ? 1.4 : 0.8);
            canvas.Text(frame.Left - 6, At(value) + 4, text, new(11, theme.Quiet, "end"));
        }
        canvas.Text(frame.Left - 46, frame.Top + (frame.Height / 2), y.Label, new(12.5, Anchor: "middle", Turned: true));
        var step = plot / rows.Count;
        for (var i = 0; i < rows.Count; i++)
        {
            var (row, left) = (rows[i], frame.Left + (step * i));
            canvas.Draw("rect", $"{row.Name}: {NumberText.Of(row.Value)}", ("class", "bar"), ("x", left + (step * 0.15)),
                ("y", Math.Min(At(0), At(row.Value))), ("width", step * 0.7), ("height", Math.Max(0.5, Math.Abs(At(row.Value) - At(0)))),
                ("fill", theme.Sign(row.Value)));
            canvas.Text(left + (step / 2) + 4, frame.Top + frame.Height + NameRoom - 4, row.Name,
                new(10.5, theme.Quiet, Most: NameRoom, Turned: true));
        }
        canvas.Text(Margin, frame.Top + frame.Height + NameRoom + 40, Words(record),
            new(11.5, theme.Quiet, Most: canvas.Width - (2 * Margin)));
    }

    private static string Words(LensRecord record) => $"sum {NumberText.Of(record.Sum)}, metric "
        + $"{NumberText.Of(record.Value)}; by the final norm's scale at its position";
}
