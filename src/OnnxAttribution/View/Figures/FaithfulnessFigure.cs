namespace OnnxAttribution.View.Figures;

/// <summary>Faithfulness and completeness of the strongest k nodes against k,
/// a panel per ablation and rule for errors, with random circuits of the same size for comparison.</summary>
internal static class FaithfulnessFigure
{
    private const double Margin = 20, Top = 66, Width = 330, Height = 260, Between = 22;

    // faithfulness may run far beyond 1 where the metric of the empty model is near the full one's; what lies beyond is drawn at the edge
    private const double Lowest = -0.6, Highest = 1.6;

    /// <param name="run">A run directory.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string run, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var table = FaithfulnessTable.Read(run, cancel);
        var columns = Math.Min(3, table.Curves.Count);
        var rows = (table.Curves.Count + columns - 1) / columns;
        var width = Math.Max(560, Margin + (columns * (PlotPanel.LeftRoom + Width + Between)));
        var bottom = Top + (rows * (PlotPanel.TopRoom + Height + PlotPanel.BottomRoom + 8));
        using var canvas = new SvgCanvas(output, width, bottom + 62, $"faithfulness of {table.Title}", theme);
        canvas.Text(Margin, 30, $"How much of the model its strongest nodes are: {table.Title}",
            new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, table.Subtitle, new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        var values = table.Curves.SelectMany(c => c.Points.SelectMany(p => (double[])[p.Faithfulness, p.Completeness]))
            .Where(double.IsFinite)
            .ToList();
        double[] range = [0, 1, Math.Max(Lowest, values.DefaultIfEmpty(0).Min()), Math.Min(Highest, values.DefaultIfEmpty(1).Max())];
        for (var i = 0; i < table.Curves.Count; i++)
        {
            var (left, top) = (Margin + PlotPanel.LeftRoom + (i % columns * (PlotPanel.LeftRoom + Width + Between)),
                Top + PlotPanel.TopRoom + (i / columns * (PlotPanel.TopRoom + Height + PlotPanel.BottomRoom + 8)));
            var x = Axis.Counts("nodes kept (log scale)", table.Curves[i].Points.Select(p => (double)p.Nodes));
            Panel(canvas, table.Curves[i],
                new PlotPanel(canvas, new PlotFrame(left, top, Width, Height), x,
                    Axis.Linear(i % columns == 0 ? "share of the metric" : "", range)));
        }
        Legend(canvas, table, values.Any(v => v is < Lowest or > Highest), bottom + 10);
    }

    private static void Panel(SvgCanvas canvas, FaithfulnessCurveMean curve, PlotPanel panel)
    {
        var theme = canvas.Theme;
        var points = curve.Points;
        panel.Frame(curve.Title);
        panel.Band("random faithfulness", points.Select(p => ((double)p.Nodes, p.Random.Low, p.Random.High)), theme.Raises, 0.13);
        panel.Band("random completeness", points.Select(p => ((double)p.Nodes, p.RandomCompleteness.Low, p.RandomCompleteness.High)),
            theme.Lowers, 0.1);
        panel.Line("random faithfulness", points.Select(p => ((double)p.Nodes, p.Random.Mean)), theme.Unknown, 1.4, "2 3");
        panel.Line("random completeness", points.Select(p => ((double)p.Nodes, p.RandomCompleteness.Mean)), theme.Unknown, 1.4, "7 3");
        Series(panel, "completeness", points, p => p.Completeness, theme.Lowers);
        Series(panel, "faithfulness", points, p => p.Faithfulness, theme.Raises);
    }

    private static void Series(PlotPanel panel, string name, IReadOnlyList<FaithfulnessSize> points,
        Func<FaithfulnessSize, double> of, string colour)
    {
        panel.Line(name, points.Select(p => ((double)p.Nodes, of(p))), colour, 2.2);
        foreach (var p in points.Where(p => double.IsFinite(of(p))))
        {
            panel.Point($"{name}-point", (p.Nodes, of(p)), new(colour, 3),
                $"{NumberText.Count(p.Nodes, "node")}: {name} {NumberText.Of(of(p))}");
        }
    }

    private static void Legend(SvgCanvas canvas, FaithfulnessTable table, bool isCut, double y)
    {
        var legend = new PlotLegend(canvas, Margin, y);
        legend.Line("faithfulness: the nodes alone", canvas.Theme.Raises);
        legend.Line("completeness: everything but them", canvas.Theme.Lowers);
        if (table.Controls > 0)
        {
            legend.Line("random circuits, faithfulness", canvas.Theme.Unknown, "2 3");
            legend.Line("and completeness (band: ± standard deviation)", canvas.Theme.Unknown, "7 3");
        }
        var notes = "1: the whole metric, 0: what is left when every node is ablated" + (table.Unknown > 0
            ? $"  ·  {NumberText.Count(table.Unknown, "undefined ratio")} left out"
            : "") + (isCut ? "  ·  what lies beyond is drawn at the edge" : "");
        canvas.Text(Margin, y + legend.Height + 2, notes, new(11.5, canvas.Theme.Quiet, Most: canvas.Width - (2 * Margin)));
    }
}
