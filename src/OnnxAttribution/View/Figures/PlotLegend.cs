namespace OnnxAttribution.View.Figures;

/// <summary>Entries side by side that say what marks mean; a full line goes on in the next.</summary>
internal sealed class PlotLegend
{
    private const double Font = 12, Mark = 24, Gap = 20, LineHeight = 19;
    private readonly SvgCanvas _canvas;
    private readonly double _left, _top;
    private double _x, _y;

    /// <param name="top">The first line's baseline.</param>
    public PlotLegend(SvgCanvas canvas, double left, double top) => (_canvas, _left, _top, _x, _y) = (canvas, left, top, left, top);

    /// <summary>Of the lines used so far, in pixels.</summary>
    public double Height => _y - _top + LineHeight;

    public void Line(string words, string colour, string? dash = null) =>
        Entry(words, (x, y) => _canvas.Line((x, y), (x + Mark - 4, y), colour, 2.4, dash));

    public void Point(string words, string colour, bool hollow = false) => Entry(words, (x, y) =>
        _canvas.Draw("circle", null, ("cx", x + 14), ("cy", y), ("r", 4), ("fill", hollow ? "none" : colour),
            ("stroke", hollow ? colour : null), ("stroke-width", hollow ? 1.2 : null)));

    public void Box(string words, string fill, double opacity, string? hatching = null) => Entry(words, (x, y) =>
    {
        _canvas.Draw("rect", null, ("x", x), ("y", y - 6), ("width", Mark - 4), ("height", 12), ("fill", fill), ("fill-opacity", opacity));
        if (hatching is not null)
        {
            _canvas.Draw("rect", null, ("x", x), ("y", y - 6), ("width", Mark - 4), ("height", 12), ("fill", hatching));
        }
    });

    /// <summary>A box of which only the frame is drawn.</summary>
    public void Frame(string words, string stroke) => Entry(words, (x, y) => _canvas.Draw("rect", null, ("x", x), ("y", y - 6),
        ("width", Mark - 4), ("height", 12), ("rx", 3), ("fill", "none"), ("stroke", stroke), ("stroke-width", 0.8)));

    private void Entry(string words, Action<double, double> mark)
    {
        var width = Mark + 6 + TokenLabel.Width(words, Font);
        if (_x > _left && _x + width > _canvas.Width - 16) (_x, _y) = (_left, _y + LineHeight);
        mark(_x, _y - (Font * 0.36));
        _canvas.Text(_x + Mark + 4, _y, words, new(Font, _canvas.Theme.Quiet, Most: _canvas.Width - _x - Mark - 10));
        _x += width + Gap;
    }
}
