using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageAddressTests(PageBrowser browser, ExamplePages pages)
{
    [Fact]
    public async Task The_address_brings_back_selection_threshold_theme_and_colours()
    {
        var (node, hash) = (pages.Picture.Metric - 1, "");
        await browser.Visit(pages.File, async page =>
        {
            await page.Slide(700);
            await page.ClickAsync("#theme");
            await page.ClickAsync("#palette");
            await page.ClickAsync("[data-sign=downstream]");
            await page.Node(node).ClickAsync();
            await Assertions.Expect(page).ToHaveURLAsync(new Regex("#.*pin="));
            hash = (await page.EvaluateAsync<string>("location.hash"))[1..];
        });
        await browser.Visit(pages.File, async page =>
        {
            await Assertions.Expect(page.Node(node)).ToHaveAttributeAsync("aria-pressed", "true");
            await Assertions.Expect(page.Panel().Locator("h2")).ToHaveTextAsync(pages.Picture.Nodes[node].Spelling);
            await Assertions.Expect(page.ShownEdges()).ToHaveCountAsync((int)Math.Round(pages.Picture.Edges.Count * Math.Pow(0.7, 2.2)));
            await Assertions.Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
            await Assertions.Expect(page.Locator("#palette")).ToHaveAttributeAsync("aria-pressed", "true");
            await Assertions.Expect(page.Locator("#legend")).ToContainTextAsync("raises the downstream feature");
        }, new(Hash: hash));
    }

    [Theory]
    [InlineData("pin=no+such+node&edges=99999999999999999999&sign=sideways&theme=pink&colours=loud")]
    [InlineData("edges=-5&pin=")]
    [InlineData("edges=1e3&theme=DARK")]
    [InlineData("%E0%A4%A&pin=%00")]
    [InlineData("pin=__proto__&sign=constructor&theme=toString")]
    [InlineData("<script>alert(1)</script>")]
    public Task An_address_that_makes_no_sense_is_as_none(string hash) => browser.Visit(pages.File, async page =>
    {
        await Assertions.Expect(page.ShownEdges()).ToHaveCountAsync(250);
        await Assertions.Expect(page.Locator("g.node[aria-pressed=true]")).ToHaveCountAsync(0);
        await Assertions.Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "light");
    }, new(Hash: hash));

    [Fact]
    public Task More_edges_than_there_are_are_all() =>
        browser.Visit(pages.File, page => Assertions.Expect(page.ShownEdges()).ToHaveCountAsync(pages.Picture.Edges.Count),
            new(Hash: "edges=999999"));

    [Fact]
    public Task The_theme_follows_the_system_until_it_is_chosen() => browser.Visit(pages.File, async page =>
    {
        var html = page.Locator("html");
        await Assertions.Expect(html).ToHaveAttributeAsync("data-theme", "light");
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await Assertions.Expect(html).ToHaveAttributeAsync("data-theme", "dark");
        await page.ClickAsync("#theme");
        await Assertions.Expect(html).ToHaveAttributeAsync("data-theme", "light");
        Assert.Equal("rgb(255, 255, 255)", await page.Locator("body").Drawn("background-color"));
    });

    [Fact]
    public Task The_colour_blind_safe_palette_is_blue_and_orange_with_dashes() => browser.Visit(pages.File, async page =>
    {
        var lowers = page.Locator("path.edge.lowers").First;
        Assert.Equal("none", await lowers.Drawn("stroke-dasharray"));
        await page.ClickAsync("#palette");
        await Assertions.Expect(lowers).ToHaveCSSAsync("stroke", "rgb(224, 123, 0)");
        await Assertions.Expect(page.Locator("path.edge.raises").First).ToHaveCSSAsync("stroke", "rgb(0, 114, 178)");
        Assert.NotEqual("none", await lowers.Drawn("stroke-dasharray"));
    });
}
