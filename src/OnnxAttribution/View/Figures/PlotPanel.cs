using System.Globalization;

namespace OnnxAttribution.View.Figures;

/// <summary>Where a plot lies in its drawing, in pixels; axis labels, ticks and title lie outside of it.</summary>
internal sealed record PlotFrame(double Left, double Top, double Width, double Height);

/// <summary>How a point is drawn.</summary>
/// <param name="Hollow">Only its rim is drawn.</param>
internal sealed record PointStyle(string Colour, double Radius, double Opacity = 1, bool Hollow = false);

/// <summary>A plot within a drawing: a frame, two axes, and marks at values.</summary>
internal sealed class PlotPanel(SvgCanvas canvas, PlotFrame at, Axis x, Axis y)
{
    /// <summary>Room outside the frame.</summary>
    public const double LeftRoom = 64, BottomRoom = 44, TopRoom = 26;
    private const double TickFont = 11, LabelFont = 12.5, TitleFont = 13.5;

    public double X(double value) => at.Left + (at.Width * x.Share(value));

    public double Y(double value) => at.Top + (at.Height * (1 - y.Share(value)));

    /// <summary>Draws the frame, grid lines, ticks and labels.</summary>
    public void Frame(string title)
    {
        var theme = canvas.Theme;
        var (left, top, width, height) = at;
        if (title.Length > 0) canvas.Text(left, top - 9, title, new(TitleFont, Bold: true, Most: width));
        foreach (var (value, text) in x.Ticks)
        {
            canvas.Line((X(value), top), (X(value), top + height), theme.Rule, value == 0 ? 1.4 : 0.8);
            canvas.Text(X(value), top + height + TickFont + 5, text, new(TickFont, theme.Quiet, "middle"));
        }
        foreach (var (value, text) in y.Ticks)
        {
            canvas.Line((left, Y(value)), (left + width, Y(value)), theme.Rule, value == 0 ? 1.4 : 0.8);
            canvas.Text(left - 6, Y(value) + (TickFont * 0.36), text, new(TickFont, theme.Quiet, "end"));
        }
        canvas.Draw("rect", null, ("x", left), ("y", top), ("width", width), ("height", height), ("fill", "none"), ("stroke", theme.Quiet),
            ("stroke-width", 0.8));
        if (x.Label.Length > 0)
        {
            canvas.Text(left + (width / 2), top + height + 36, x.Label, new(LabelFont, Anchor: "middle", Most: width + LeftRoom));
        }
        if (y.Label.Length > 0)
        {
            canvas.Text(left - 46, top + (height / 2), y.Label, new(LabelFont, Anchor: "middle", Turned: true, Most: height));
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

    public void Point(string kind, (double X, double Y) value, PointStyle style, string? title) =>
        canvas.Draw("circle", title, ("class", kind), ("cx", X(value.X)), ("cy", Y(value.Y)), ("r", style.Radius),
            ("fill", style.Hollow ? "none" : style.Colour), ("stroke", style.Hollow ? style.Colour : null),
            ("stroke-width", style.Hollow ? 1.2 : null), ("opacity", style.Opacity < 1 ? style.Opacity : null));
}
