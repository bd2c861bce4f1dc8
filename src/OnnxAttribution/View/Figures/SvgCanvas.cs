using System.Globalization;

namespace OnnxAttribution.View.Figures;

/// <summary>How a text is written; sizes in pixels.</summary>
/// <param name="Fill">null: the theme's ink.</param>
/// <param name="Anchor">start, middle or end.</param>
/// <param name="Most">The width there is; a longer text is cut.</param>
/// <param name="Turned">Reads upwards, around its place.</param>
/// <param name="TextLength">The width that it is to have in any font; null: the font's.</param>
internal sealed record TextStyle(double Size, string? Fill = null, string Anchor = "start", bool Bold = false,
    double Most = double.PositiveInfinity, bool Turned = false, double? TextLength = null);

/// <summary>Writes an SVG drawing, element by element. The writer stays the caller's. Any text may be given: it is escaped here.</summary>
/// <remarks>Only presentation attributes: no style attributes, scripts or links,
/// so that a page with a strict Content-Security-Policy can hold the drawing.</remarks>
internal sealed class SvgCanvas : IDisposable
{
    private const string Fonts = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,'DejaVu Sans',sans-serif";
    private readonly TextWriter _output;

    /// <param name="title">What the drawing shows, for readers of the screen.</param>
    public SvgCanvas(TextWriter output, double width, double height, string title, SvgTheme theme)
    {
        (_output, Width, Height, Theme) = (output, width, height, theme);
        output.Write($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Number(width)} {Number(height)}\" "
            + $"width=\"{Number(width)}\" height=\"{Number(height)}\" role=\"img\" font-family=\"{Fonts}\">\n");
        output.Write($"<title>{XmlText.Escape(TokenLabel.Line(title))}</title>\n");
        if (theme.Paper is { } paper) Draw("rect", null, ("width", width), ("height", height), ("fill", paper));
    }

    public double Width { get; }
    public double Height { get; }
    public SvgTheme Theme { get; }

    /// <summary>A number as SVG has it: invariant, to a hundredth of a pixel.</summary>
    public static string Number(double value) => Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);

    /// <param name="title">Shown by browsers where the mouse rests; null for none.</param>
    /// <param name="attributes">Numbers and texts; an attribute that is null is left out.</param>
    public void Draw(string element, string? title, params ReadOnlySpan<(string Name, object? Value)> attributes)
    {
        Start(element, attributes);
        if (title is null) _output.Write("/>\n");
        else _output.Write($"><title>{XmlText.Escape(title)}</title></{element}>\n");
    }

    /// <summary>Opens a group; <see cref="Close"/> ends it.</summary>
    public void Open(string element, string? title, params ReadOnlySpan<(string Name, object? Value)> attributes)
    {
        Start(element, attributes);
        _output.Write(title is null ? ">\n" : $"><title>{XmlText.Escape(title)}</title>\n");
    }

    public void Close(string element) => _output.Write($"</{element}>\n");

    public void Text(double x, double y, string text, TextStyle style)
    {
        Start("text", ("x", x), ("y", y), ("font-size", style.Size), ("fill", style.Fill ?? Theme.Ink),
            ("text-anchor", style.Anchor == "start" ? null : style.Anchor), ("font-weight", style.Bold ? "600" : null),
            ("textLength", style.TextLength), ("lengthAdjust", style.TextLength is null ? null : "spacingAndGlyphs"),
            ("transform", style.Turned ? $"rotate(-90 {Number(x)} {Number(y)})" : null));
        _output.Write($">{XmlText.Escape(TokenLabel.Fit(text, style.Most, style.Size))}</text>\n");
    }

    public void Line((double X, double Y) from, (double X, double Y) to, string stroke, double width = 1, string? dash = null) =>
        Draw("line", null, ("x1", from.X), ("y1", from.Y), ("x2", to.X), ("y2", to.Y), ("stroke", stroke), ("stroke-width", width),
            ("stroke-dasharray", dash));

    /// <summary>Diagonal hatching, to be used as <c>url(#id)</c>.</summary>
    public void Hatching(string id, string stroke)
    {
        Open("defs", null);
        Open("pattern", null, ("id", id), ("width", 5), ("height", 5), ("patternUnits", "userSpaceOnUse"),
            ("patternTransform", "rotate(45)"));
        Line((0, 0), (0, 5), stroke, 1.6);
        Close("pattern");
        Close("defs");
    }

    /// <summary>Ends the drawing.</summary>
    public void Dispose() => _output.Write("</svg>\n");

    private void Start(string element, params ReadOnlySpan<(string Name, object? Value)> attributes)
    {
        _output.Write($"<{element}");
        foreach (var (name, value) in attributes)
        {
            if (value is null) continue;
            var text = value switch
            {
                double d => Number(d),
                float f => Number(f),
                int i => i.ToString(CultureInfo.InvariantCulture),
                _ => XmlText.Escape((string)value)
            };
            _output.Write($" {name}=\"{text}\"");
        }
    }
}
