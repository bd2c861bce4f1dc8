using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>Share of the truly strongest nodes found against cost in forward passes, a line per estimator that <c>validate --compare</c>
/// judged: the estimate, then a pass for each node that is patched in its order.</summary>
internal static class CostRecallFigure
{
    private const double Margin = 20, Top = 66, Width = 560, Height = 330;

    private static readonly string?[] s_dashes = [null, "7 3", "2 3"];

    /// <param name="run">A run directory.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string run, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var record = RunDirectory.ReadRecord(run);
        CostRecallRecord[] costs = [.. (record.Validation?.CostRecall ?? []).Where(c => c is { Passes: not null, Ranks.Count: > 0 })];
        if (costs.Length == 0) throw FigureException.NotCompared(run);
        var checkedNodes = record.Validation!.Nodes.Count;
        var header = new PictureHeader(record);
        var width = (2 * Margin) + PlotPanel.LeftRoom + Width;
        var bottom = Top + PlotPanel.TopRoom + Height + PlotPanel.BottomRoom;
        using var canvas = new SvgCanvas(output, width, bottom + 82, "cost and recall of estimators", theme);
        canvas.Text(Margin, 30, $"The {costs.Max(c => c.Top)} strongest nodes: what finding them takes",
            new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, $"{header.Title}  ·  {header.MetricWords}", new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        var panel = new PlotPanel(canvas, new PlotFrame(Margin + PlotPanel.LeftRoom, Top + PlotPanel.TopRoom, Width, Height),
            Axis.Counts("forward passes (log scale)", costs.Select(c => c.Passes!.Value + checkedNodes)),
            Axis.Linear("share found", [0, 1]));
        panel.Frame("");
        var legend = new PlotLegend(canvas, Margin, bottom + 12);
        panel.Line("random", RandomOrder(checkedNodes), theme.Unknown, 1.4, "2 3");
        for (var i = 0; i < costs.Length; i++)
        {
            var (colour, dash) = (theme.Series[i % theme.Series.Count], s_dashes[i / theme.Series.Count % s_dashes.Length]);
            panel.Line("estimator", Steps(costs[i]), colour, 2.2, dash);
            legend.Line(costs[i].Estimator, colour, dash);
        }
        legend.Line("patched in random order, on average", theme.Unknown, "2 3");
        canvas.Text(Margin, bottom + 12 + legend.Height + 4,
            $"of {NumberText.Count(checkedNodes, "checked node")}; lines begin at the estimate's cost, a patched node is one pass more",
            new(11.5, theme.Quiet, Most: width - (2 * Margin)));
    }

    // a stair: up at each node found
    private static IEnumerable<(double X, double Y)> Steps(CostRecallRecord cost)
    {
        yield return (cost.Passes!.Value, 0);
        for (var k = 0; k < cost.Ranks.Count; k++)
        {
            var at = cost.Passes.Value + cost.Ranks[k];
            yield return (at, (double)k / cost.Ranks.Count);
            yield return (at, (k + 1.0) / cost.Ranks.Count);
        }
    }

    // straight in the number of patched nodes, and so bent on a logarithmic axis
    private static IEnumerable<(double X, double Y)> RandomOrder(int nodes) =>
        Enumerable.Range(0, 41).Select(i => (nodes * i / 40.0, i / 40.0));
}
