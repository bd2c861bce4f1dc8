using System.Text;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Formats;

/// <summary>An arrow's way from the top of a box to the bottom of another. Beside boxes it is straight, and it bends between lines of boxes
/// only: the points that bend a curve lie there, so the curve does.</summary>
internal sealed class BoxArrow
{
    // the head is so high, and half as wide to each side; where an arrow turns back, it keeps so far off the next line
    private const double Head = 10, Off = 3;

    private readonly StringBuilder _path = new();
    private double _x, _y;
    private bool _falls;

    /// <param name="top">Of the box, which may lie below that of its line.</param>
    public BoxArrow(double x, double top, double topOfLine)
    {
        (_x, _y) = (x, top);
        _path.Append('M').Append(Point(x, top));
        Straight(topOfLine);
    }

    /// <summary>The way without its head, as SVG has paths.</summary>
    public string Path => _path.ToString();

    /// <summary>The head; empty until the box is reached.</summary>
    public string HeadPath { get; private set; } = "";

    /// <summary>Passes a line upwards.</summary>
    public void Rise(double x, double bottom, double top)
    {
        Bend(x, bottom, (_y + bottom) / 2);
        Straight(top);
    }

    /// <summary>Passes a line downwards.</summary>
    /// <param name="above">Where the line above it ends.</param>
    public void Fall(double x, double top, double bottom, double above)
    {
        Bend(x, top, _falls ? (_y + top) / 2 : above + Off);
        Straight(bottom);
        _falls = true;
    }

    /// <summary>Reaches its box.</summary>
    /// <param name="below">Where the line below it begins.</param>
    public void Reach(double x, double bottom, double below)
    {
        Bend(x, bottom + Head - 1, _falls ? below - Off : (_y + bottom) / 2);
        HeadPath = $"M{Point(x, bottom)}L{Point(x - (Head / 2), bottom + Head)}L{Point(x + (Head / 2), bottom + Head)}Z";
    }

    private void Straight(double y)
    {
        if (y != _y) _path.Append('L').Append(Point(_x, y));
        _y = y;
    }

    private void Bend(double x, double y, double by)
    {
        _path.Append('C').Append(Point(_x, by)).Append(' ').Append(Point(x, by)).Append(' ').Append(Point(x, y));
        (_x, _y) = (x, y);
    }

    private static string Point(double x, double y) => $"{SvgCanvas.Number(x)} {SvgCanvas.Number(y)}";
}
