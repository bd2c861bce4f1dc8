using OnnxAttribution.Bundles;
using OnnxAttribution.Validation;

namespace OnnxAttribution.View.Figures;

/// <summary>Exact against approximate effects of <c>validation.parquet</c>:
/// a panel of nodes, a panel of edges, the diagonal, and how well they agree; where transcoders stand for MLPs a panel of nodes in the
/// model itself too.</summary>
internal static class ValidationFigure
{
    /// <summary>So many marks a panel has at most: the largest effects; figures of agreement are always of all.</summary>
    public const int MostMarks = 5_000;

    private const double Side = 380, Margin = 20, Top = 64, Between = 34, LegendRoom = 74;

    /// <summary>Draws the figure for a file.</summary>
    /// <param name="run">A run directory.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string run, TextWriter output, SvgTheme theme, CancellationToken cancel) =>
        Write(ValidationChecks.Read(run, cancel), output, theme);

    /// <summary>The same as SVG text to be put into a page:
    /// colours are the page's custom properties (<see cref="SvgTheme.Inline"/>).</summary>
    /// <returns>"" where nothing could be checked.</returns>
    /// <inheritdoc cref="Write(string, TextWriter, SvgTheme, CancellationToken)"/>
    public static string Inline(string run, CancellationToken cancel = default)
    {
        if (ValidationChecks.Find(run, cancel) is not { } checks) return "";
        var writer = new StringWriter();
        Write(checks, writer, SvgTheme.Inline);
        return writer.ToString();
    }

    private static void Write(ValidationChecks checks, TextWriter output, SvgTheme theme)
    {
        var panels = checks.Panels;
        var width = Margin + (panels.Count * (PlotPanel.LeftRoom + Side)) + ((panels.Count - 1) * Between) + Margin;
        var height = Top + PlotPanel.TopRoom + 20 + Side + PlotPanel.BottomRoom + LegendRoom;
        using var canvas = new SvgCanvas(output, width, height, $"{checks.Estimator} against real interventions", theme);
        canvas.Text(Margin, 30, $"How far to trust it: {checks.Estimator} against real interventions",
            new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, checks.Subtitle, new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        for (var i = 0; i < panels.Count; i++)
        {
            Panel(canvas, Margin + PlotPanel.LeftRoom + (i * (PlotPanel.LeftRoom + Side + Between)), panels[i]);
        }
        Legend(canvas, checks, height - LegendRoom + 22);
    }

    private static void Panel(SvgCanvas canvas, double left, ValidationPanel drawn)
    {
        var marks = drawn.Marks;
        var values = marks.SelectMany(m => (double[])[m.Exact, m.Approximate]).ToList();
        var panel = new PlotPanel(canvas, new PlotFrame(left, Top + PlotPanel.TopRoom + 20, Side, Side),
            Axis.Symmetric($"exact effect: the {(drawn.What == "edge" ? "upstream " : "")}node is really moved", values),
            Axis.Symmetric("approximate effect", values));
        var agreement = Agreement.Between([.. marks.Select(m => (double)m.Exact)], [.. marks.Select(m => (double)m.Approximate)]);
        canvas.Text(left, Top + PlotPanel.TopRoom - 7, NumberText.Count(marks.Count, drawn.What) + drawn.Model, new(13.5, Bold: true));
        panel.Frame("");
        canvas.Text(left, Top + PlotPanel.TopRoom + 11, $"Pearson {Figure(agreement.Pearson)}   Spearman {Figure(agreement.Spearman)}   "
            + $"same sign {(double.IsNaN(agreement.SignAgreement) ? "–" : NumberText.Percent(agreement.SignAgreement))}",
            new(12, canvas.Theme.Quiet, Most: Side));
        var most = values.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(1).Max();
        panel.Line("diagonal", [(-most, -most), (most, most)], canvas.Theme.Quiet, 1.2, "5 4");
        foreach (var mark in marks.OrderByDescending(m => Math.Max(Math.Abs(m.Exact), Math.Abs(m.Approximate))).Take(MostMarks).Reverse())
        {
            panel.Point("mark", (mark.Exact, mark.Approximate),
                new(mark.IsError ? canvas.Theme.Unknown : canvas.Theme.Series[(int)mark.Kind], 2.8, 0.7, mark.IsError),
                $"{mark.Name}\nexact {NumberText.Of(mark.Exact)}, approximate {NumberText.Of(mark.Approximate)}");
        }
    }

    private static void Legend(SvgCanvas canvas, ValidationChecks checks, double y)
    {
        var legend = new PlotLegend(canvas, Margin, y);
        var all = checks.Panels.SelectMany(p => p.Marks).ToList();
        (SiteKind Kind, string Words)[] kinds =
        [
            (SiteKind.Resid, "residual stream"), (SiteKind.Attn, "attention"), (SiteKind.Mlp, "MLP"),
            (SiteKind.ResidMid, "residual stream (mid)"), (SiteKind.Z, "heads (z)"),
        ];
        foreach (var (kind, words) in kinds.Where(k => all.Any(m => m.Kind == k.Kind && !m.IsError)))
        {
            legend.Point(words, canvas.Theme.Series[(int)kind]);
        }
        if (all.Any(m => m.IsError)) legend.Point("error node (of an edge: upstream)", canvas.Theme.Unknown, hollow: true);
        legend.Line("exact = approximate", canvas.Theme.Quiet, "5 4");
        var notes = new List<string>();
        if (checks.Unknown > 0) notes.Add($"{NumberText.Count(checks.Unknown, "check")} without a number left out");
        if (checks.Panels.Any(p => p.Marks.Count > MostMarks))
        {
            notes.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"the {MostMarks:N0} largest drawn of each"));
        }
        notes.Add("effect: m(patched) − m(clean); axes are logarithmic away from 0");
        canvas.Text(Margin, y + legend.Height + 4, string.Join("  ·  ", notes),
            new(11.5, canvas.Theme.Quiet, Most: canvas.Width - (2 * Margin)));
    }

    private static string Figure(double value) =>
        double.IsNaN(value) ? "–" : value.ToString("0.000", System.Globalization.CultureInfo.InvariantCulture);
}
