using System.Globalization;

namespace OnnxAttribution.View.Figures;

/// <summary>A plot within a drawing: a frame, two axes, and marks at values.</summary>
/// <param name="left">The frame's left edge; axis labels and ticks lie outside of it.</param>
/// <param name="top">Its upper edge; the title lies above.</param>
internal sealed class PlotPanel(SvgCanvas canvas, double left, double top, double width, double height, Axis x, Axis y)
{
    /// <summary>Room outside the frame.</summary>
    public const double LeftRoom = 64, BottomRoom = 44, TopRoom = 26;
    private const double TickFont = 11, LabelFont = 12.5, TitleFont = 13.5;

    public double X(double value) => left + (width * x.Share(value));

    public double Y(double value) => top + (height * (1 - y.Share(value)));

    /// <summary>Draws the frame, grid lines, ticks and labels.</summary>
    public void Frame(string title)
    {
        var theme = canvas.Theme;
        if (title.Length > 0) canvas.Text(left, top - 9, title, TitleFont, bold: true, most: width);
        foreach (var (value, text) in x.Ticks)
        {
            canvas.Line(X(value), top, X(value), top + height, theme.Rule, value == 0 ? 1.4 : 0.8);
            canvas.Text(X(value), top + height + TickFont + 5, text, TickFont, theme.Quiet, "middle");
        }
        foreach (var (value, text) in y.Ticks)
        {
            canvas.Line(left, Y(value), left + width, Y(value), theme.Rule, value == 0 ? 1.4 : 0.8);
            canvas.Text(left - 6, Y(value) + (TickFont * 0.36), text, TickFont, theme.Quiet, "end");
        }
        canvas.Draw("rect", null, ("x", left), ("y", top), ("width", width), ("height", height), ("fill", "none"), ("stroke", theme.Quiet),
            ("stroke-width", 0.8));
        if (x.Label.Length > 0)
        {
            canvas.Text(left + (width / 2), top + height + 36, x.Label, LabelFont, anchor: "middle", most: width + LeftRoom);
        }
        if (y.Label.Length > 0)
        {
            canvas.Text(left - 46, top + (height / 2), y.Label, LabelFont, anchor: "middle", turned: true, most: height);
        }
    }

    /// <summary>A line from point to point; it breaks where a value is NaN.</summary>
    /// <param name="kind">The class of the element.</param>
    public void Line(string kind, IEnumerable<(double X, double Y)> points, string stroke, double thickness = 2, string? dash = null)
    {
        var (path, isDown) = (new System.Text.StringBuilder(), false);
        foreach (var (px, py) in points)
        {
            if (double.IsFinite(px) && double.IsFinite(py))
            {
                path.Append(CultureInfo.InvariantCulture, $"{(isDown ? 'L' : 'M')}{SvgCanvas.Number(X(px))} {SvgCanvas.Number(Y(py))}");
            }
            isDown = double.IsFinite(px) && double.IsFinite(py);
        }
        if (path.Length > 0)
        {
            canvas.Draw("path", null, ("class", kind), ("d", path.ToString()), ("fill", "none"), ("stroke", stroke),
                ("stroke-width", thickness), ("stroke-dasharray", dash), ("stroke-linejoin", "round"));
        }
    }

    /// <summary>The space between two lines. What is NaN on either is left out.</summary>
    public void Band(string kind, IEnumerable<(double X, double Low, double High)> points, string fill, double opacity)
    {
        var known = points.Where(p => double.IsFinite(p.Low) && double.IsFinite(p.High)).ToList();
        if (known.Count == 0) return;
        var path = string.Join("L", known.Select(p => $"{SvgCanvas.Number(X(p.X))} {SvgCanvas.Number(Y(p.High))}")
            .Concat(known.AsEnumerable().Reverse().Select(p => $"{SvgCanvas.Number(X(p.X))} {SvgCanvas.Number(Y(p.Low))}")));
        canvas.Draw("path", null, ("class", kind), ("d", $"M{path}Z"), ("fill", fill), ("fill-opacity", opacity));
    }

    /// <param name="hollow">Only its rim is drawn.</param>
    public void Point(string kind, double px, double py, string colour, double radius, string? title, double opacity = 1,
        bool hollow = false) =>
        canvas.Draw("circle", title, ("class", kind), ("cx", X(px)), ("cy", Y(py)), ("r", radius), ("fill", hollow ? "none" : colour),
            ("stroke", hollow ? colour : null), ("stroke-width", hollow ? 1.2 : null), ("opacity", opacity < 1 ? opacity : null));
}
