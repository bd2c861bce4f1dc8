using System.Globalization;
using System.Xml.Linq;
using OnnxAttribution.Print;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

[Collection(nameof(TinyRuns))]
public sealed class BoxedSvgTests(TinyRuns runs)
{
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";
    private static readonly PictureLimits s_limits = new(PictureLimits.BoxNodes, PictureLimits.BoxEdges);

    public static TheoryData<string> Samples => ["hostile", "single", "empty", "unknown", "same", "mixed", "large"];

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void Every_node_and_edge_is_drawn_once_and_arrows_are_as_opaque_as_their_share_of_the_largest(string run)
    {
        var (picture, svg) = Drawn(run);
        Assert.Equal(Enumerable.Range(0, picture.Nodes.Count), SvgReading.OfClass(svg, "node").Select(n => (int)n.Attribute("data-node")!));
        var most = picture.Edges.Max(e => Math.Abs(e.Effect));
        var arrows = SvgReading.OfClass(svg, "edge").ToList();
        Assert.Equal(picture.Edges.Count, arrows.Count);
        foreach (var (edge, arrow) in picture.Edges.Reverse().Zip(arrows))
        {
            Assert.Equal((edge.Up, edge.Down), ((int)arrow.Attribute("data-up")!, (int)arrow.Attribute("data-down")!));
            Assert.Equal(Math.Abs(edge.Effect) / most, SvgReading.Value(arrow.Elements(s_svg + "path").First(), "stroke-opacity"), 0.006);
        }
    }

    [Theory, MemberData(nameof(Samples))]
    public void No_two_boxes_overlap_and_no_text_leaves_its_box(string sample)
    {
        var svg = XElement.Parse(Text(Sample(sample), FeatureDetails.None));
        var boxes = SvgReading.OfClass(svg, "node").Select(n => (Node: n, Box: n.Element(s_svg + "rect")!)).ToList();
        for (var i = 0; i < boxes.Count; i++)
        {
            var (left, top, right, bottom) = Sides(boxes[i].Box);
            Assert.All(boxes.Skip(i + 1), other =>
            {
                var (l, t, r, b) = Sides(other.Box);
                Assert.True(r <= left || l >= right || b <= top || t >= bottom);
            });
            Assert.All(boxes[i].Node.Elements(s_svg + "text"), text =>
            {
                var (x, length) = (SvgReading.Value(text, "x"), Length(text));
                Assert.True(x >= left && x + length <= right + 0.5, $"'{text.Value}' ends at {x + length}, its box at {right}");
            });
        }
        SvgReading.AssertTextsInside(svg);
    }

    [Fact]
    public void Contexts_are_shaded_by_activation_over_the_contexts_largest()
    {
        using var directory = new TemporaryDirectory();
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--out", directory["run"], "--no-page").Done();
        var picture = RunPicture.Read(directory["run"], s_limits);
        var details = FeatureDetails.Of(picture, null, TestContext.Current.CancellationToken);
        var svg = XElement.Parse(Text(picture, details));
        var node = Enumerable.Range(0, picture.Nodes.Count).First(i => !picture.Nodes[i].IsMetric && !picture.Nodes[i].IsError);
        var context = details.Card(picture.Nodes[node].Site!.Name, picture.Nodes[node].Feature)!.Contexts.First(c => c.Quantile == 0);
        var most = context.Activations.Max();
        var drawn = SvgReading.OfClass(svg, "node").Single(n => (int)n.Attribute("data-node")! == node);
        var first = SvgReading.OfClass(drawn, "active").GroupBy(a => SvgReading.Value(a, "y")).First().ToList();
        Assert.Contains(first, a => SvgReading.Value(a, "fill-opacity") == 1);   // the peak
        Assert.All(first, a => Assert.Contains(context.Activations,
            activation => Math.Abs((activation / most) - SvgReading.Value(a, "fill-opacity")) < 0.006));
    }

    [Fact]
    public void Tokens_are_those_of_the_ablation_where_the_run_has_them_and_direct_ones_elsewhere()
    {
        var (_, direct) = Drawn("graph");
        Assert.Empty(SvgReading.OfClass(direct, "measured"));
        Assert.NotEmpty(SvgReading.OfClass(direct, "token"));
        Assert.Contains(SvgReading.Texts(direct), t => t.StartsWith("direct: decoder row", StringComparison.Ordinal));

        var (picture, svg) = Drawn("ablated");
        Assert.Contains(SvgReading.Texts(svg), t => t.Contains("ln p(clean) − ln p(ablated)", StringComparison.Ordinal));
        var rows = RunDirectory.ReadRows<TokenRow>(runs["ablated"], TestContext.Current.CancellationToken)
            .ToLookup(r => (r.Site, r.Position, r.Feature));
        var seen = 0;
        foreach (var (node, drawn) in picture.Nodes.Zip(SvgReading.OfClass(svg, "node")))
        {
            if (node.IsMetric || rows[(node.Site!.Name, node.Position, node.Feature)].ToList() is not { Count: > 0 } moved) continue;
            var expected = moved.Select(r => (r.Token, Change: Math.Log(r.CleanProbability) - Math.Log(r.AblatedProbability))).ToList();
            var promoted = expected.Where(t => t.Change > 0).OrderByDescending(t => t.Change).Select(t => TokenLabel.Of(t.Token)).Take(10);
            var suppressed = expected.Where(t => t.Change < 0).OrderBy(t => t.Change).Select(t => TokenLabel.Of(t.Token)).Take(10);
            string[] texts = [.. SvgReading.OfClass(drawn, "token").Select(t => t.ElementsAfterSelf(s_svg + "text").First().Value)];
            // a long token is cut
            Assert.All(promoted.Concat(suppressed).Zip(texts), t => Assert.StartsWith(t.Second.TrimEnd('…'), t.First));
            Assert.Equal(promoted.Count() + suppressed.Count(), texts.Length);
            seen++;
        }
        Assert.True(seen > 0);
    }

    [Fact]
    public void A_label_is_broken_between_words_into_two_lines_and_then_cut()
    {
        using var directory = new TemporaryDirectory();
        var label = string.Join(' ', Enumerable.Range(0, 60).Select(i => $"слово{i}"));
        var run = Labelled(directory, label);
        var svg = XElement.Parse(Text(RunPicture.Read(run, s_limits), FeatureDetails.None));
        var lines = SvgReading.Texts(svg).Where(t => t.StartsWith("слово", StringComparison.Ordinal)).Distinct().ToList();
        Assert.Equal(2, lines.Count);
        Assert.StartsWith(lines[0], label);
        Assert.DoesNotContain('…', lines[0]);
        Assert.EndsWith("…", lines[1]);
        Assert.StartsWith(lines[1][..^1], label[(lines[0].Length + 1)..]);
    }

    [Fact]
    public void What_no_font_has_is_said()
    {
        using var directory = new TemporaryDirectory();
        // hieroglyphs, which nobody's fonts have
        var run = Labelled(directory, "a \U00013460 and \U00013461\U00013460");
        var note = "note: no font of this machine has 2 characters of it (\U00013460 \U00013461), drawn as boxes with their numbers; "
            + "install a font that has them, or write SVG";
        string[] call = ["view", run, "--boxes", "--nodes", "3", "--contexts", "0", "--out"];
        Assert.Contains(note, Verb.Run([.. call, directory["x.png"]]).Done().Output);
        Assert.Contains(note, Verb.Run([.. call, directory["x.pdf"]]).Done().Output);
        Assert.DoesNotContain("font", Verb.Run([.. call, directory["x.svg"]]).Done().Output);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Text_on_a_shaded_ground_has_the_colour_that_is_read_best(bool isDark)
    {
        var theme = isDark ? SvgTheme.Dark : SvgTheme.Light;
        Assert.Equal(theme.Ink, theme.InkOn(theme.Series[0], 0));
        Assert.Equal(theme.Box, theme.InkOn(theme.Series[0], 1));
        // black and white by WCAG's own examples: #777777 on white is 4.48 to 1, on black 4.69
        var plain = SvgTheme.Light with { Ink = "#000000", Box = "#ffffff" };
        Assert.Equal("#000000", plain.InkOn("#777777", 1));
        Assert.Equal("#ffffff", plain.InkOn("#747474", 1));
    }

    [Theory, MemberData(nameof(Samples))]
    public void Every_figure_is_printed(string sample)
    {
        var svg = Text(Sample(sample), FeatureDetails.None);
        using MemoryStream png = new(), pdf = new();
        PrintedDrawing.WritePng(svg, png, 1);
        PrintedDrawing.WritePdf(svg, pdf);
        Assert.True(png.Length > 2_000 && pdf.Length > 1_000);
    }

    [Fact]
    public void Items_share_a_room_so_that_short_ones_keep_their_widths()
    {
        Assert.Equal(double.PositiveInfinity, BoxText.Cap([10, 20], 30));
        Assert.Equal(40, BoxText.Cap([10, 50, 60], 90));
        Assert.Equal((1, 4), BoxText.Around([10, 10, 10, 10, 10, 10], 3, 40));
        Assert.Equal((0, 1), BoxText.Around([100], 0, 40));
    }

    // a run of a bundle in which its strongest feature has a label
    private string Labelled(TemporaryDirectory directory, string label)
    {
        var (bundle, run) = (directory["copy"], directory["run"]);
        CopyBundle(runs.Bundle, bundle);
        Verb.Run("graph", "--model", bundle, "--prompt", "Copyright (C", "--target", ")", "--out", run, "--no-page").Done();
        var node = RunDirectory.Read(run).Nodes.Where(n => n.Feature >= 0 && n.Kept).MaxBy(n => Math.Abs(n.Effect));
        File.WriteAllText(directory["labels.jsonl"], $$"""{"site": "{{node.Site}}", "feature": {{node.Feature}}, "label": "{{label}}"}""");
        Verb.Run("features", "--model", bundle, "--import-labels", directory["labels.jsonl"]).Done();
        return run;
    }

    internal static RunPicture Sample(string name) => name switch
    {
        "hostile" => PictureSamples.Hostile(),
        "single" => PictureSamples.Single(),
        "empty" => PictureSamples.Empty(),
        "unknown" => PictureSamples.Unknown(),
        "same" => PictureSamples.SameNumbers(),
        "mixed" => PictureSamples.Mixed(),
        _ => PictureSamples.Large(120, 400),
    };

    private (RunPicture Picture, XElement Svg) Drawn(string run)
    {
        var picture = RunPicture.Read(runs[run], s_limits);
        return (picture, XElement.Parse(Text(picture, FeatureDetails.Of(picture, null, TestContext.Current.CancellationToken))));
    }

    private static string Text(RunPicture picture, FeatureDetails details)
    {
        using var writer = new StringWriter();
        BoxedSvg.Write(picture, details, new(3, SvgTheme.Light), writer, TestContext.Current.CancellationToken);
        return writer.ToString();
    }

    private static (double Left, double Top, double Right, double Bottom) Sides(XElement box)
    {
        var (x, y) = (SvgReading.Value(box, "x"), SvgReading.Value(box, "y"));
        return (x, y, x + SvgReading.Value(box, "width"), y + SvgReading.Value(box, "height"));
    }

    private static double Length(XElement text) => (string?)text.Attribute("textLength") is { } length
        ? double.Parse(length, CultureInfo.InvariantCulture)
        : PrintFonts.Width(text.Value, SvgReading.Value(text, "font-size"), (string?)text.Attribute("font-weight") == "600");

    private static void CopyBundle(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var place = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Copy(file, place);
        }
    }
}
