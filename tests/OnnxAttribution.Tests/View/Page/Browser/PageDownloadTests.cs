using System.Xml.Linq;
using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageDownloadTests(PageBrowser browser, ExamplePages pages) : IDisposable
{
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public Task The_download_holds_every_node_and_the_shown_edges_and_needs_nothing_else() => browser.Visit(pages.File, async page =>
    {
        await page.Slide(700);
        var shown = await page.ShownNumbers();
        var svg = await Download(page);
        Assert.Equal(shown, svg.Descendants(s_svg + "path").Attributes("data-edge").Select(a => (int)a).Order());
        Assert.Equal(pages.Picture.Nodes.Count, svg.Descendants(s_svg + "g").Attributes("data-node").Count());
        Assert.DoesNotContain(svg.Descendants(), e => e.Name.LocalName is "script" or "style" or "foreignObject" or "image");
        Assert.DoesNotContain(svg.Descendants().Attributes(), a => a.Name.LocalName is "class" or "style" or "href"
            || a.Name.LocalName.StartsWith("on", StringComparison.Ordinal) || a.Value.Contains("var(") || a.Value.Contains("color("));
        Assert.All(svg.Descendants(s_svg + "path").Where(p => p.Attribute("data-edge") is not null), p =>
        {
            Assert.Matches("^#[0-9a-f]{6}$", (string?)p.Attribute("stroke"));
            Assert.Equal("none", (string?)p.Attribute("fill"));
        });
        var texts = svg.Descendants(s_svg + "text").Select(t => t.Value).ToList();
        Assert.All((string[])["Copyright", "·(", "0.resid", "3.resid_post", pages.Picture.Header.Title],
            text => Assert.Contains(text, texts));
        Assert.Contains(texts, t => t.Contains("blue raises, red lowers the metric"));
    });

    [Fact]
    public Task It_is_drawn_as_it_is_seen_in_the_dark_and_from_near() => browser.Visit(pages.File, async page =>
    {
        await page.ClickAsync("#theme");
        await page.ZoomToBoxes();
        var svg = await Download(page);
        Assert.Equal("#171b21", (string?)svg.Root!.Elements(s_svg + "rect").First().Attribute("fill"));
        var labels = svg.Descendants(s_svg + "g")
            .Where(g => g.Attribute("data-node") is not null)
            .Select(g => g.Element(s_svg + "text")?.Value);
        Assert.Equal(pages.Picture.Nodes.Select(n => n.Label), labels);
    });

    [Fact]
    public Task A_hostile_run_gives_a_well_formed_drawing() =>
        browser.Visit(pages.Write("hostile-svg.html", PictureSamples.Hostile(), []), async page =>
        {
            var svg = await Download(page);
            Assert.Equal(PictureSamples.HostileTokens.Length * 2 + 1, svg.Descendants(s_svg + "g").Attributes("data-node").Count());
            Assert.Contains(svg.Descendants(s_svg + "text"), t => t.Value == "</script><img·src=x·onerror=alert(1)>");
        });

    public void Dispose() => _directory.Dispose();

    private async Task<XDocument> Download(IPage page)
    {
        var download = await page.RunAndWaitForDownloadAsync(() => page.ClickAsync("#download"));
        Assert.EndsWith(".svg", download.SuggestedFilename);
        await download.SaveAsAsync(_directory["graph.svg"]);
        return XDocument.Load(_directory["graph.svg"]);
    }
}
