using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.Tests.View.Formats;

[Collection(nameof(TinyRuns))]
public sealed partial class GraphSvgTests(TinyRuns runs)
{
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void Every_node_and_edge_of_a_run_is_drawn_once(string run)
    {
        var picture = runs.Picture(run);
        var svg = Drawn(picture);
        Assert.Equal(Enumerable.Range(0, picture.Nodes.Count), OfClass(svg, "node").Select(n => (int)n.Attribute("data-node")!));
        Assert.Equal(picture.Edges.Select(e => (e.Up, e.Down)).Order(),
            OfClass(svg, "edge").Select(e => ((int)e.Attribute("data-up")!, (int)e.Attribute("data-down")!)).Order());
        Assert.Equal(picture.Nodes.Count(n => n.IsError), OfClass(svg, "error").Count());
    }

    [Fact]
    public void An_edge_goes_from_the_top_of_its_upstream_box_to_the_bottom_of_its_downstream_box()
    {
        var svg = Drawn(runs.Picture("graph"));
        var boxes = OfClass(svg, "node").ToDictionary(n => (int)n.Attribute("data-node")!, n => n.Element(s_svg + "rect")!);
        foreach (var edge in OfClass(svg, "edge"))
        {
            var numbers = Numbers()
                .Matches((string)edge.Attribute("d")!)
                .Select(m => double.Parse(m.Value, CultureInfo.InvariantCulture))
                .ToArray();
            var (up, down) = (boxes[(int)edge.Attribute("data-up")!], boxes[(int)edge.Attribute("data-down")!]);
            Assert.Equal(Value(up, "x") + (Value(up, "width") / 2), numbers[0], 0.05);
            Assert.Equal(Value(up, "y"), numbers[1], 0.05);
            Assert.Equal(Value(down, "x") + (Value(down, "width") / 2), numbers[6], 0.05);
            Assert.Equal(Value(down, "y") + Value(down, "height"), numbers[7], 0.05);
        }
    }

    [Fact]
    public void Weak_edges_are_drawn_first_and_thinner_and_colours_tell_the_sign()
    {
        var picture = runs.Picture("graph");
        var drawn = OfClass(Drawn(picture), "edge").ToList();
        double[] widths = [.. drawn.Select(e => Value(e, "stroke-width"))], opacities = [.. drawn.Select(e => Value(e, "stroke-opacity"))];
        Assert.Equal(widths.Order(), widths);
        Assert.Equal(opacities.Order(), opacities);
        Assert.Equal(5, widths[^1], 1e-9);
        // the metric falls without it: it raises
        foreach (var (edge, path) in picture.Edges.Reverse().Zip(drawn))
        {
            Assert.Equal(edge.Effect < 0 ? SvgTheme.Light.Raises : SvgTheme.Light.Lowers, (string)path.Attribute("stroke")!);
        }
    }

    [Fact]
    public void Ablation_is_coloured_by_what_happens_to_the_downstream_activation()
    {
        var picture = runs.Picture("ablated");
        var svg = Drawn(picture);
        foreach (var (edge, path) in picture.Edges.Reverse().Zip(OfClass(svg, "edge")))
        {
            Assert.Equal(edge.Effect < 0 ? SvgTheme.Light.Raises : SvgTheme.Light.Lowers, (string)path.Attribute("stroke")!);
        }
        Assert.Contains("raises the downstream activation", Texts(svg));
        Assert.Contains("raises the metric", Texts(Drawn(runs.Picture("graph"))));
    }

    [Fact]
    public void What_is_not_known_is_grey()
    {
        var svg = Drawn(PictureSamples.Unknown());
        Assert.Equal(SvgTheme.Light.Unknown, (string)OfClass(svg, "edge")
            .Single(e => (int)e.Attribute("data-up")! == 0)
            .Attribute("stroke")!);
        Assert.DoesNotContain("NaN", svg.ToString());
    }

    [Fact]
    public void Labels_sites_tokens_and_the_target_are_there()
    {
        var picture = runs.Picture("graph");
        var texts = Texts(Drawn(picture)).ToList();
        Assert.All(picture.Nodes.Where(n => !n.IsMetric), n => Assert.Contains(n.Label, texts));
        Assert.All(picture.Sites, s => Assert.Contains(s.ShortName, texts));
        Assert.Contains("␣(", texts);
        Assert.Contains("Copyright (C → ')'", texts);
        Assert.Contains(texts, t => t.StartsWith("raises the metric", StringComparison.Ordinal));
    }

    [Fact]
    public void Hostile_tokens_stay_text()
    {
        var svg = Drawn(PictureSamples.Hostile());
        Assert.Equal(["defs", "g", "line", "path", "pattern", "rect", "svg", "text", "title"],
            svg.DescendantsAndSelf().Select(e => e.Name.LocalName).Distinct().Order());
        Assert.DoesNotContain(svg.DescendantsAndSelf().Attributes(),
            a => a.Name.LocalName.StartsWith("on", StringComparison.OrdinalIgnoreCase) || a.Name.LocalName is "href" or "style");
        Assert.Contains(Texts(svg), t => t.StartsWith("</scr", StringComparison.Ordinal));
        Assert.All(Texts(svg), t => Assert.DoesNotContain(t, char.IsControl));
    }

    [Fact]
    public void No_text_leaves_the_drawing()
    {
        foreach (var picture in (RunPicture[])[runs.Picture("graph"), runs.Picture("summed"), PictureSamples.Hostile(),
            PictureSamples.Single(), PictureSamples.Mixed(), PictureSamples.Large(200, 500)])
        {
            SvgReading.AssertTextsInside(Drawn(picture));
        }
    }

    [Fact]
    public void A_single_node_and_even_none_is_a_drawing_too()
    {
        Assert.Equal(2, OfClass(Drawn(PictureSamples.Single()), "node").Count());
        Assert.Single(OfClass(Drawn(PictureSamples.Empty()), "node"));
    }

    [Fact]
    public void Themes_change_colours_and_nothing_else()
    {
        var picture = runs.Picture("graph");
        string Bare(SvgTheme theme) => Colour().Replace(Written(picture, theme), "#");
        Assert.Equal(Bare(SvgTheme.Light), Bare(SvgTheme.Dark));
        Assert.Equal(Bare(SvgTheme.Light), Bare(SvgTheme.Light.ColourBlindSafe));
        Assert.Contains("#d55e00", Written(picture, SvgTheme.Light.ColourBlindSafe));
    }

    private static XElement Drawn(RunPicture picture) => XDocument.Parse(Written(picture, null)).Root!;

    private static string Written(RunPicture picture, SvgTheme? theme)
    {
        var writer = new StringWriter();
        GraphSvg.Write(picture, writer, theme);
        return writer.ToString();
    }

    private static IEnumerable<XElement> OfClass(XElement svg, string name) => SvgReading.OfClass(svg, name);

    private static IEnumerable<string> Texts(XElement svg) => SvgReading.Texts(svg);

    private static double Value(XElement element, string name) => SvgReading.Value(element, name);

    [GeneratedRegex(@"-?\d+(\.\d+)?")]
    private static partial Regex Numbers();

    [GeneratedRegex("#[0-9a-f]{6}")]
    private static partial Regex Colour();
}
