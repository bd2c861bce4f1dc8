using System.Globalization;
using Microsoft.Playwright;
using OnnxAttribution.Bundles;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Several pins, groups, labels and notes, by mouse and keyboard.</summary>
[Collection(PageCollection.Name)]
public sealed class PageSubgraphTests(PageBrowser browser, ExamplePages pages)
{
    private RunPicture Picture => pages.Picture;

    [Fact]
    public Task Ctrl_click_pins_several_nodes_and_the_pane_draws_them_large_with_summed_edges() => browser.Visit(pages.File, async page =>
    {
        var chosen = Chosen(4);
        foreach (var i in chosen) await page.Node(i).ClickAsync(new() { Modifiers = [KeyboardModifier.Control] });
        await Assertions.Expect(page.Locator("g.node.chosen[data-node]")).ToHaveCountAsync(4);
        await Assertions.Expect(page.Locator("g.node[aria-pressed=true]")).ToHaveCountAsync(0);   // none is looked at
        await page.GetByRole(AriaRole.Button, new() { Name = "Subgraph 4" }).ClickAsync();
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(5);   // and the metric
        foreach (var i in chosen)
        {
            var (box, node) = (page.Box($"n:{i}"), Picture.Nodes[i]);
            foreach (var words in (string[])[Name(i), $"effect {Four(node.Effect)}", $"exact {Four(node.ExactEffect)}",
                $"quick peak-{node.Feature}", $"·promoted-{node.Feature}", $"·suppressed-{node.Feature}"])
            {
                await Assertions.Expect(box).ToContainTextAsync(words);
            }
        }
        await AssertSums(page, [.. chosen.Select(i => (int[])[i])]);
        // a group has one edge to another box, the sum of its nodes'
        await page.Box($"n:{chosen[0]}").ClickAsync();
        await page.Box($"n:{chosen[1]}").ClickAsync();
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.TypeAsync("my group");
        await page.Keyboard.PressAsync("Enter");
        var group = page.Box("g:my group");
        var sum = Picture.Nodes[chosen[0]].Effect + (double)Picture.Nodes[chosen[1]].Effect;
        await Assertions.Expect(group).ToContainTextAsync($"Σ effects {Four(sum)}");
        await Assertions.Expect(page.Locator(".sg-foot")).ToContainTextAsync("sums of estimates");
        await AssertSums(page, [[chosen[0], chosen[1]], [chosen[2]], [chosen[3]]]);
        // a second Ctrl-click lets go, and a group without nodes is none
        foreach (var i in chosen[..2]) await page.Node(i).ClickAsync(new() { Modifiers = [KeyboardModifier.Control], Force = true });
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(3);
    });

    [Theory, InlineData(6), InlineData(20), InlineData(60)]
    public Task No_edge_between_boxes_lies_behind_a_box(int pins)
    {
        int[] chosen = [.. Enumerable.Range(0, Picture.Metric).OrderByDescending(i => Math.Abs(Picture.Nodes[i].Effect)).Take(pins)];
        // a group stands where the last of its nodes does, and what its first leads to lies lower
        int Row(int i) => Picture.Sites.Index().First(s => s.Item == Picture.Nodes[i].Site).Index;
        var (first, last) = (chosen.MinBy(Row), chosen.MaxBy(Row));
        int[] others = [.. chosen.Except([first, last])];
        var leadBack = Picture.Edges.Where(e => (e.Up == first || e.Up == last) && others.Contains(e.Down) && Row(e.Down) <= Row(last))
            .Select(e => e.Down).Distinct().Count();
        Assert.True(pins < 20 || leadBack > 0);
        return browser.Visit(pages.File, async page =>
        {
            await Assertions.Expect(page.Boxes()).ToHaveCountAsync(pins);   // the group, the others, the metric
            var (faults, back) = await page.BoardEdges();
            Assert.Empty(faults);
            Assert.Equal(leadBack, back);
            Assert.True(await page.Locator("path.sum").CountAsync() > 0);
        }, new(Hash: $"pins={string.Join(',', chosen.Select(Name))}&group={Name(first)},{Name(last)}|both"));
    }

    [Fact]
    public Task All_of_it_goes_by_keyboard_and_can_be_undone() => browser.Visit(pages.File, async page =>
    {
        var chosen = Chosen(3);
        foreach (var i in chosen)
        {
            await page.Node(i).FocusAsync();
            await page.Keyboard.PressAsync("p");
        }
        await page.Keyboard.PressAsync("s");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(4);
        await page.Box($"n:{chosen[0]}").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Box($"n:{chosen[1]}").FocusAsync();
        await page.Keyboard.PressAsync(" ");
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.TypeAsync("one two");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Box("g:one two")).ToContainTextAsync("2 nodes");
        await Assertions.Expect(page.Locator("#status")).ToHaveTextAsync("2 nodes in the group one two.");
        await Name(page, chosen[2]);
        // P on a box lets it go; everything is undone step by step, and done again
        await page.Box($"n:{chosen[2]}").FocusAsync();
        await page.Keyboard.PressAsync("p");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(2);
        foreach (var boxes in (int[])[3, 3, 3, 4, 3, 2]) // unpinned, renamed, labelled, grouped, three pins
        {
            await page.Keyboard.PressAsync("Control+z");
            await Assertions.Expect(page.Boxes()).ToHaveCountAsync(boxes);
        }
        for (var i = 0; i < 6; i++) await page.Keyboard.PressAsync("Control+Shift+Z");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(2);
        await Assertions.Expect(page.Box("g:other")).ToHaveCountAsync(1);
        await page.Keyboard.PressAsync("s");
        await Assertions.Expect(page.Locator("#subgraph")).ToBeHiddenAsync();
    });

    /// <summary>Gives a node a label of one's own, and the group another name.</summary>
    private async Task Name(IPage page, int node)
    {
        await page.Box($"n:{node}").FocusAsync();
        await page.Keyboard.PressAsync("l");
        await page.Keyboard.TypeAsync("says copyright");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Box($"n:{node}")).ToContainTextAsync("says copyright");
        await Assertions.Expect(page.Box($"n:{node}")).ToBeFocusedAsync();
        // it stands in the graph too, at every position
        foreach (var i in Enumerable.Range(0, Picture.Nodes.Count).Where(i => Picture.Nodes[i].Site == Picture.Nodes[node].Site
            && Picture.Nodes[i].Feature == Picture.Nodes[node].Feature))
        {
            await Assertions.Expect(page.Node(i).Locator("text.word")).ToContainTextAsync("says");
            Assert.Contains("says copyright", await page.Node(i).GetAttributeAsync("aria-label"));
        }
        await page.Box("g:one two").FocusAsync();
        await page.Keyboard.PressAsync("l");
        await page.Keyboard.TypeAsync("other");
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(page.Box("g:one two")).ToHaveCountAsync(1);
        await page.Keyboard.PressAsync("l");
        await page.Keyboard.TypeAsync("other");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Box("g:other")).ToHaveCountAsync(1);
    }

    [Fact]
    public Task A_rectangle_pins_the_shown_nodes_in_it_and_moves_nothing() => browser.Visit(pages.File, async page =>
    {
        var place = await page.Place();
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        async Task Draw()
        {
            await page.Mouse.MoveAsync(view.X + (view.Width / 2), view.Y + 2);
            await page.Mouse.DownAsync();
            await page.Mouse.MoveAsync(view.X + view.Width - 3, view.Y + (view.Height / 2), new() { Steps = 4 });
            await Assertions.Expect(page.Locator("#rectangle")).ToHaveCountAsync(1);
            await page.Mouse.UpAsync();
        }
        await page.Keyboard.DownAsync("Shift");
        await Draw();
        await page.Keyboard.UpAsync("Shift");
        Assert.Equal(place, await page.Place());
        await Assertions.Expect(page.Locator("#rectangle")).ToHaveCountAsync(0);
        var pinned = await Pinned(page);
        Assert.Equal(await Inside(page, view), pinned);
        Assert.True(pinned.Length > 5);
        await Assertions.Expect(page.Locator("g.node[aria-pressed=true]")).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("Control+z");
        Assert.Empty(await Pinned(page));
        // without Shift, after R
        await page.Keyboard.PressAsync("r");
        await Draw();
        Assert.Equal(pinned, await Pinned(page));
        // then the graph moves again
        await page.Mouse.DownAsync();
        await page.Mouse.MoveAsync(view.X + 80, view.Y + 90, new() { Steps = 3 });
        await page.Mouse.UpAsync();
        Assert.NotEqual(place, await page.Place());
        Assert.Equal(pinned, await Pinned(page));
    });

    [Fact]
    public Task Suggested_groups_are_previewed_and_made_only_where_the_reader_says_so() => browser.Visit(pages.File, async page =>
    {
        var suggested = AlikeNodes.ByEdges(Picture);
        Assert.NotEmpty(suggested.Groups);
        await page.Keyboard.PressAsync("s");
        await page.Tool("Suggestions").ClickAsync();
        await Assertions.Expect(page.Locator(".sg-suggestion")).ToHaveCountAsync(suggested.Groups.Count);
        var first = page.Locator(".sg-suggestion").First;
        await first.GetByText("Preview").ClickAsync();
        await Assertions.Expect(page.Locator("svg.lit .node")).ToHaveCountAsync(suggested.Groups[0].Nodes.Count);
        Assert.Empty(await Pinned(page));
        await first.GetByText("Preview").ClickAsync();
        await Assertions.Expect(page.Locator("svg.lit .node")).ToHaveCountAsync(0);
        await first.GetByText("Make a group…").ClickAsync();
        await page.Keyboard.TypeAsync("alike");
        await page.Keyboard.PressAsync("Enter");
        Assert.Equal(suggested.Groups[0].Nodes, await Pinned(page));
        await Assertions.Expect(page.Box("g:alike")).ToHaveCountAsync(1);
    });

    [Fact]
    public Task On_a_phone_it_goes_by_taps() => browser.Visit(pages.File, async page =>
    {
        await page.Locator("#handle").TapAsync();
        await page.Locator("#sheet button[data-to]").First.TapAsync();
        await page.Locator("#sheet .choose").TapAsync();
        await Assertions.Expect(page.Locator("g.node.chosen[data-node]")).ToHaveCountAsync(1);
        await page.Locator("#handle").TapAsync();
        await page.Locator("#open-subgraph").TapAsync();
        await page.Boxes().Last.ScrollIntoViewIfNeededAsync();
        await page.Locator("[data-box^='n:']").TapAsync();
        await page.Tool("Group").TapAsync();
        await page.Keyboard.TypeAsync("tapped");
        await page.Locator(".sg-ask button[type=submit]").TapAsync();
        await Assertions.Expect(page.Box("g:tapped")).ToHaveCountAsync(1);
        var outside = await page.EvaluateAsync<string[]>("[...document.querySelectorAll('#open-subgraph, .sg-tools button, .sg-foot > *')]"
            + ".filter(e => e.getClientRects().length && (e.getBoundingClientRect().right > innerWidth + 1 "
            + "|| e.getBoundingClientRect().left < 0)).map(e => e.outerHTML.slice(0, 60))");
        Assert.Empty(outside);
        Assert.True((await page.Locator(".board").BoundingBoxAsync())!.Height > 200);
    }, new(390, 844, Touch: true));

    [Theory, InlineData("theme=light", 1400), InlineData("theme=dark", 1400), InlineData("theme=light&colours=safe", 390),
        InlineData("theme=dark", 390)]
    public Task Every_text_of_the_pane_stands_out_from_its_ground(string hash, int width) => browser.Visit(pages.File, async page =>
    {
        await page.Tool("Notes").ClickAsync();
        await page.Keyboard.TypeAsync("a note");
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
        await page.Tool("Suggestions").ClickAsync();
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
    }, new(width, 900, $"{hash}&pins={string.Join(',', Chosen(5).Select(Name))}&group={Name(Chosen(1)[0])}|a%20group"));

    // the strongest features whose exact effect is known too, of one site each
    private int[] Chosen(int count) => [.. Enumerable.Range(0, Picture.Nodes.Count)
        .Where(i => Picture.Nodes[i] is { IsMetric: false, IsError: false } n && !float.IsNaN(n.ExactEffect)
            && Picture.Edges.Take(250).Any(e => e.Up == i || e.Down == i))
        .OrderByDescending(i => Math.Abs(Picture.Nodes[i].Effect)).DistinctBy(i => Picture.Nodes[i].Site).Take(count)];

    private string Name(int i) => FeatureName.Of(Picture.Nodes[i].Site!, Picture.Nodes[i].Feature, Picture.Nodes[i].Position);

    /// <summary>Between two boxes one line, with the sum of what edges of their nodes do.</summary>
    private async Task AssertSums(IPage page, int[][] boxes)
    {
        var of = boxes.Append([Picture.Metric]).Index().SelectMany(b => b.Item.Select(i => (i, b.Index))).ToDictionary();
        var expected = Picture.Edges.Where(e => of.ContainsKey(e.Up) && of.ContainsKey(e.Down) && of[e.Up] != of[e.Down])
            .GroupBy(e => (of[e.Up], of[e.Down])).Select(g => g.Sum(e => (double)e.OnMetric)).Order().ToList();
        await Assertions.Expect(page.Locator("path.sum")).ToHaveCountAsync(expected.Count);
        var shown = (await page.Locator(".sum-value").AllTextContentsAsync())
            .Select(t => double.Parse(t.Replace('−', '-'), NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture))
            .Order().ToList();
        Assert.NotEmpty(expected);
        Assert.Equal(expected, shown, (a, b) => Math.Abs(a - b) <= 0.006 * Math.Max(Math.Abs(a), 0.01));
    }

    private static async Task<int[]> Pinned(IPage page) => [.. (await page.Locator("g.node.chosen[data-node]")
        .EvaluateAllAsync<int[]>("nodes => nodes.map(n => Number(n.dataset.node))")).Order()];

    // whose middle lies in the upper right quarter
    private static async Task<int[]> Inside(IPage page, LocatorBoundingBoxResult view) => await page.EvaluateAsync<int[]>("""
        v => {
            const data = JSON.parse(document.getElementById('data').textContent);
            const [, x, y] = document.querySelector('#world').style.transform.match(/translate\(([-\d.]+)px, ([-\d.]+)px\)/).map(Number);
            const scale = document.querySelector('svg.base').getBoundingClientRect().width / data.layout.width;
            return [...document.querySelectorAll('g.node[data-node]')].filter(n => {
                const node = data.nodes[n.dataset.node];
                const [px, py] = [x + node.x * scale, y + node.y * scale];
                return node.s >= 0 && !n.classList.contains('lone') && px >= v.w / 2 && px <= v.w - 3 && py >= 2 && py <= v.h / 2;
            }).map(n => Number(n.dataset.node));
        }
        """, new { w = (double)view.Width, h = (double)view.Height });

    // as the page writes it
    private static string Four(double value) =>
        double.Parse(value.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var five
            && double.Parse(five.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var four
            ? four.ToString("#,0.######", CultureInfo.InvariantCulture).Replace('-', '−') : "";
}
