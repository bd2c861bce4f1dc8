using System.Text.RegularExpressions;
using Microsoft.Playwright;
using OnnxAttribution.View;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>What narrows the drawing: thresholds, kinds of nodes and separate circuits, by hand, by key and by the address.</summary>
[Collection(PageCollection.Name)]
public sealed class PageFilterTests(PageBrowser browser, ExamplePages pages)
{
    private RunPicture Picture => pages.Picture;

    private int All => Picture.Nodes.Count - 1;

    [Fact]
    public Task The_nodes_slider_shows_the_strongest_nodes_and_the_edges_between_them() => browser.Visit(pages.File, async page =>
    {
        await page.Slide(1000);
        foreach (var value in (int[])[600, 200, 1000, 0])
        {
            await page.Slide(value, "node-threshold");
            var wanted = Strongest((int)Math.Round(All * Math.Pow(value / 1000.0, 1.6)));
            Assert.Equal(wanted.Order(), (await Shown(page)).Order());
            Assert.Equal(Picture.Edges.Index().Where(e => wanted.Contains(e.Item.Up) && wanted.Contains(e.Item.Down)).Select(e => e.Index),
                await page.ShownNumbers());
            await Assertions.Expect(page.Locator("#node-threshold-label"))
                .ToContainTextAsync(wanted.Count - 1 == All ? $"{All} nodes" : $"{wanted.Count - 1} of {All} nodes");
        }
    });

    [Fact]
    public Task A_slider_moves_by_arrow_keys() => browser.Visit(pages.File, async page =>
    {
        await page.Locator("#node-threshold").FocusAsync();
        for (var i = 0; i < 40; i++) await page.Keyboard.PressAsync("ArrowLeft");
        await page.Until($"document.querySelectorAll('svg.base g.node:not(.gone)').length < {All + 1}");
        await Assertions.Expect(page).ToHaveURLAsync(new Regex("#nodes=\\d+$"));
    });

    [Fact]
    public Task Error_nodes_are_hidden_with_their_edges_by_key_and_shown_again_by_hand() => browser.Visit(pages.File, async page =>
    {
        await page.Slide(1000);
        await page.Keyboard.PressAsync("e");
        var features = Picture.Nodes.Index().Where(n => !n.Item.IsError).Select(n => n.Index).ToHashSet();
        await Assertions.Expect(page.Locator("svg.base g.node.error:not(.gone)")).ToHaveCountAsync(0);
        Assert.Equal(features.Order(), (await Shown(page)).Order());
        Assert.Equal(Picture.Edges.Index().Where(e => features.Contains(e.Item.Up) && features.Contains(e.Item.Down)).Select(e => e.Index),
            await page.ShownNumbers());
        await page.ClickAsync("#filter summary");
        await Assertions.Expect(page.Locator("[data-kind=errors]")).Not.ToBeCheckedAsync();
        await page.CheckAsync("[data-kind=errors]");
        Assert.Equal(All + 1, (await Shown(page)).Length);
        await page.UncheckAsync("[data-kind=errors]");
        Assert.Equal(features.Count, (await Shown(page)).Length);
        // the list closes by Escape, and by a click elsewhere
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(page.Locator("#filter-list")).ToBeHiddenAsync();
        await page.ClickAsync("#filter summary");
        await page.Locator("#legend").ClickAsync();
        await Assertions.Expect(page.Locator("#filter-list")).ToBeHiddenAsync();
        await Assertions.Expect(page.Locator("#filter")).ToHaveClassAsync("narrowed");
    });

    [Fact]
    public Task Unconnected_nodes_are_those_that_no_shown_edge_ends_at() => browser.Visit(pages.File, async page =>
    {
        await page.Keyboard.PressAsync("u");
        int[] Joined(int edges) =>
            [.. Picture.Edges.Take(edges).SelectMany(e => (int[])[e.Up, e.Down]).Append(Picture.Metric).Distinct().Order()];
        Assert.Equal(Joined(250), (await Shown(page)).Order());
        await page.Slide(300);
        Assert.Equal(Joined((int)Math.Round(Picture.Edges.Count * Math.Pow(0.3, 2.2))), (await Shown(page)).Order());
        await page.Keyboard.PressAsync("u");
        Assert.Equal(All + 1, (await Shown(page)).Length);
    });

    [Fact]
    public Task What_is_hidden_is_passed_by_and_a_pinned_node_is_not_hidden() => browser.Visit(pages.File, async page =>
    {
        var error = Picture.Nodes.Index().Where(n => n.Item.IsError).MaxBy(n => Math.Abs(n.Item.Effect)).Index;
        await page.Node(error).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Keyboard.PressAsync("e");
        await Assertions.Expect(page.Node(error)).Not.ToHaveCSSAsync("display", "none");
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(page.Node(error)).ToHaveCSSAsync("display", "none");
        // along a row by arrows, from its left end to its right one
        var site = Picture.Nodes[error].Site;
        var row = Picture.Nodes.Index().Where(n => n.Item.Site == site && !n.Item.IsError).Select(n => n.Index).ToHashSet();
        var seen = new HashSet<int>();
        await page.Node(row.First()).FocusAsync();
        foreach (var key in (string[])["ArrowLeft", "ArrowRight"])
        {
            for (var i = 0; i < 2 * row.Count; i++)
            {
                seen.Add(await page.EvaluateAsync<int>("Number(document.activeElement.dataset.node)"));
                await page.Keyboard.PressAsync(key);
            }
        }
        Assert.Equal(row.Order(), seen.Order());
    });

    [Fact]
    public async Task The_address_brings_back_what_narrows()
    {
        var hash = "";
        await browser.Visit(pages.File, async page =>
        {
            await page.Slide(500, "node-threshold");
            await page.Keyboard.PressAsync("e");
            await page.Keyboard.PressAsync("u");
            await Assertions.Expect(page).ToHaveURLAsync(new Regex("hide=errors\\+unconnected"));
            hash = (await page.EvaluateAsync<string>("location.hash"))[1..];
        });
        await browser.Visit(pages.File, async page =>
        {
            var nodes = Strongest((int)Math.Round(All * Math.Pow(0.5, 1.6)));
            var shown = await Shown(page);
            Assert.All(shown, i => Assert.True(nodes.Contains(i) && !Picture.Nodes[i].IsError));
            Assert.True(shown.Length > 10);
            await page.ClickAsync("#filter summary");
            await Assertions.Expect(page.Locator("[data-kind=lone]")).Not.ToBeCheckedAsync();
        }, new(Hash: hash));
    }

    [Fact]
    public async Task A_separate_circuit_is_shown_alone()
    {
        const string lower = "blocks.0.hook_resid_pre", upper = "blocks.1.hook_resid_pre";
        var picture = PictureSamples.Of([PictureSamples.Row(lower, 0, "a", 1, 1), PictureSamples.Row(lower, 0, "a", 2, 2),
            PictureSamples.Row(upper, 0, "a", 3, 3), PictureSamples.Row(upper, 0, "a", 4, 4), PictureSamples.Row(upper, 0, "a", 5, 5)],
            [new(0, 2, 1, 1), new(1, 3, 1, -2), new(2, CausalEdge.Metric, 1, 3), new(3, CausalEdge.Metric, 1, 4),
                new(4, CausalEdge.Metric, 1, 5)]);
        var second = OnnxAttribution.View.RunPicture.Of("runs/a sample", picture.Stored, new Dictionary<(string, int, int), float>(),
            new PictureLimits { Component = 2 });
        // numbered by their strongest edge; what no other edge ends at is in none
        Assert.Equal([2, 1, 2, 1, 0, 0], picture.Nodes.Select(n => n.Component));
        await browser.Visit(pages.Write("second.html", second, []), page => Assertions.Expect(page.Locator("#header"))
            .ToContainTextAsync("drawn is separate circuit 2: 2 nodes, 2 edges"));
        await browser.Visit(pages.Write("circuits.html", picture, []), async page =>
        {
            await page.ClickAsync("#filter summary");
            await page.SelectOptionAsync("#component", "2");
            Assert.Equal([0, 2, 5], (await Shown(page)).Order());
            await Assertions.Expect(page).ToHaveURLAsync(new Regex("#component=2$"));
            await page.SelectOptionAsync("#component", "");
            Assert.Equal(6, (await Shown(page)).Length);
            await page.Node(1).FocusAsync();
            await Assertions.Expect(page.Panel().Locator(".facts")).ToContainTextAsync("separate circuit1");
        });
    }

    [Fact]
    public Task The_help_says_all_keys_and_closes() => browser.Visit(pages.File, async page =>
    {
        await page.Keyboard.PressAsync("?");
        var help = page.Locator("#help");
        await Assertions.Expect(help).ToBeVisibleAsync();
        foreach (var key in (string[])["E", "D", "U", "/", "Esc", "Enter", "0"])
        {
            await Assertions.Expect(help.Locator("kbd").GetByText(key, new() { Exact = true })).ToBeVisibleAsync();
        }
        // keys of the page do nothing meanwhile
        await page.Keyboard.PressAsync("e");
        Assert.Equal(All + 1, (await Shown(page)).Length);
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(help).ToBeHiddenAsync();
        await page.ClickAsync("#help-open");
        await help.Locator("button").ClickAsync();
        await Assertions.Expect(help).ToBeHiddenAsync();
    });

    // with the metric
    private HashSet<int> Strongest(int count) =>
        [.. Picture.Nodes.Index().Where(n => !n.Item.IsMetric).OrderByDescending(n => Math.Abs(n.Item.Effect)).Take(count)
            .Select(n => n.Index), Picture.Metric];

    private static Task<int[]> Shown(IPage page) => page.EvaluateAsync<int[]>("[...document.querySelectorAll('svg.base g.node')]"
        + ".filter(n => getComputedStyle(n).display !== 'none').map(n => Number(n.dataset.node))");
}
