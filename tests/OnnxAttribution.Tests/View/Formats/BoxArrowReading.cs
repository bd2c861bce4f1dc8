using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Reads the arrows of a boxed figure back, point by point.</summary>
internal static partial class BoxArrowReading
{
    private const int PointsACurve = 150;
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    /// <summary>No arrow lies behind a box, not even its own: it leaves at a side that is its box's top and ends at a bottom.</summary>
    /// <returns>How many arrows there are.</returns>
    public static int AssertBesideBoxes(XElement svg)
    {
        var boxes = SvgReading.OfClass(svg, "node").Select(n => Sides(n.Element(s_svg + "rect")!)).ToList();
        var arrows = SvgReading.OfClass(svg, "edge").ToList();
        var (width, height) = (SvgReading.Value(svg, "width"), SvgReading.Value(svg, "height"));
        foreach (var arrow in arrows)
        {
            var (up, down) = ((int)arrow.Attribute("data-up")!, (int)arrow.Attribute("data-down")!);
            var points = Points(arrow);
            foreach (var (x, y) in points)
            {
                Assert.True(x >= 0 && x <= width && y >= 0 && y <= height, $"{up} → {down} leaves the figure at {x:0.0} {y:0.0}");
                var behind = boxes.FindIndex(b => x > b.Left + 0.5 && x < b.Right - 0.5 && y > b.Top + 0.5 && y < b.Bottom - 0.5);
                Assert.True(behind < 0, $"{up} → {down} is behind box {behind} at {x:0.0} {y:0.0}");
            }
            Assert.Equal(boxes[up].Top, points[0].Y, 0.01);
            Assert.InRange(points[0].X, boxes[up].Left, boxes[up].Right);
            var tip = Points(arrow, part: 1)[0];
            Assert.Equal(boxes[down].Bottom, tip.Y, 0.01);
            Assert.InRange(tip.X, boxes[down].Left, boxes[down].Right);
        }
        return arrows.Count;
    }

    /// <summary>Where an arrow goes straight up or down, in its order.</summary>
    public static List<double> Lanes(XElement arrow)
    {
        var points = Points(arrow);
        return [.. points.Zip(points.Skip(1)).Where(p => p.First.X == p.Second.X).Select(p => p.First.X).Distinct()];
    }

    /// <summary>A path's points, close together, from its beginning on.</summary>
    /// <param name="part">0: the way; 1: the head.</param>
    private static List<(double X, double Y)> Points(XElement arrow, int part = 0)
    {
        var (dx, dy) = Moved(arrow);
        var result = new List<(double X, double Y)>();
        var path = (string)arrow.Elements(s_svg + "path").ElementAt(part).Attribute("d")!;
        foreach (Match step in Step().Matches(path))
        {
            double[] n = [.. step.Groups[2].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
            for (var i = 0; i < n.Length; i += 2) (n[i], n[i + 1]) = (n[i] + dx, n[i + 1] + dy);
            result.AddRange(step.Groups[1].Value switch
            {
                "M" => [(n[0], n[1])],
                "L" => Along(t => (Mix(result[^1].X, n[0], t), Mix(result[^1].Y, n[1], t))),
                _ => Along(t => (Cubic(result[^1].X, n[0], n[2], n[4], t), Cubic(result[^1].Y, n[1], n[3], n[5], t))),
            });
        }
        return result;

        static List<(double, double)> Along(Func<double, (double, double)> at) =>
            [.. Enumerable.Range(1, PointsACurve).Select(i => at(i / (double)PointsACurve))];
        static double Mix(double a, double b, double t) => a + ((b - a) * t);
        static double Cubic(double a, double b, double c, double d, double t) =>
            Mix(Mix(Mix(a, b, t), Mix(b, c, t), t), Mix(Mix(b, c, t), Mix(c, d, t), t), t);
    }

    private static (double X, double Y) Moved(XElement arrow)
    {
        var transform = (string)arrow.Ancestors(s_svg + "g").First(g => g.Attribute("transform") is not null).Attribute("transform")!;
        var numbers = transform["translate(".Length..^1].Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToList();
        return (numbers[0], numbers[1]);
    }

    private static (double Left, double Top, double Right, double Bottom) Sides(XElement box)
    {
        var (x, y) = (SvgReading.Value(box, "x"), SvgReading.Value(box, "y"));
        return (x, y, x + SvgReading.Value(box, "width"), y + SvgReading.Value(box, "height"));
    }

    [GeneratedRegex("([MLC])([-0-9. ]+)")]
    private static partial Regex Step();
}
