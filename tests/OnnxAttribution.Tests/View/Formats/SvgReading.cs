using System.Globalization;
using System.Xml.Linq;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Reads drawings back.</summary>
internal static class SvgReading
{
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    public static IEnumerable<XElement> OfClass(XElement svg, string name) =>
        svg.Descendants().Where(e => ((string?)e.Attribute("class") ?? "").Split(' ').Contains(name));

    public static IEnumerable<string> Texts(XElement svg) => svg.Descendants(s_svg + "text").Select(t => t.Value);

    public static double Value(XElement element, string name) =>
        double.Parse((string)element.Attribute(name)!, CultureInfo.InvariantCulture);

    /// <summary>No text begins or ends outside the viewBox, were its characters half as wide as they are high.</summary>
    public static void AssertTextsInside(XElement svg)
    {
        var box = ((string)svg.Attribute("viewBox")!).Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        foreach (var text in svg.Descendants(s_svg + "text"))
        {
            var (x, y) = (Value(text, "x"), Value(text, "y"));
            foreach (var group in text.Ancestors(s_svg + "g").Where(g => g.Attribute("transform") is not null))
            {
                var moved = ((string)group.Attribute("transform")!)["translate(".Length..^1]
                    .Split(' ')
                    .Select(n => double.Parse(n, CultureInfo.InvariantCulture))
                    .ToArray();
                (x, y) = (x + moved[0], y + moved[1]);
            }
            var length = new StringInfo(text.Value).LengthInTextElements * Value(text, "font-size") * 0.5;
            var before = ((string?)text.Attribute("text-anchor")
                ?? (string?)text.Ancestors().FirstOrDefault(a => a.Attribute("text-anchor") is not null)?.Attribute("text-anchor")) switch
            {
                "middle" => length / 2,
                "end" => length,
                _ => 0
            };
            var (from, to, along) = ((string?)text.Attribute("transform"))?.StartsWith("rotate(-90", StringComparison.Ordinal) == true
                ? (y + before - length, y + before, box[3])
                : (x - before, x - before + length, box[2]);
            Assert.True(from >= -1 && to <= along + 1, $"'{text.Value}' goes from {from:0} to {to:0} of {along}");
            Assert.InRange(x, 0, box[2]);
            Assert.InRange(y, 0, box[3]);
        }
    }
}
