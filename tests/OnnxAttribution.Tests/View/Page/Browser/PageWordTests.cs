using Microsoft.Playwright;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Names and words of nodes, as they are seen and as they are searched for.</summary>
[Collection(PageCollection.Name)]
public sealed class PageWordTests(PageBrowser browser, ExamplePages pages)
{
    private RunPicture Picture => pages.Picture;

    [Fact]
    public Task Every_box_has_its_number_and_its_word() => browser.Visit(pages.File, async page =>
    {
        var texts = await page.EvaluateAsync<string[][]>("[...document.querySelectorAll('svg.base g.node')].map(n => "
            + "[n.querySelector('.number').textContent, n.querySelector('.word')?.textContent ?? ''])");
        foreach (var (node, text) in Picture.Nodes.Zip(texts))
        {
            Assert.Equal(node.Label, text[0]);
            var word = node.IsMetric ? ")" : node.IsError ? "" : $"·promoted-{node.Feature}";
            Assert.Equal(word.Length <= 12 ? word : word[..11] + "…", text[1]);
        }
    });

    [Fact]
    public Task A_node_has_the_name_that_the_command_line_takes_everywhere() => browser.Visit(pages.File, async page =>
    {
        var (i, node) = Strongest(n => !n.IsError && n.Site!.KindName == "mlp");
        Assert.Equal($"{node.Site!.Layer}.mlp:{node.Feature}@{node.Position}", node.Spelling);
        await page.ZoomToBoxes();
        await page.Node(i).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Panel().Locator("h2")).ToHaveTextAsync(node.Spelling);
        await Assertions.Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex(
            System.Text.RegularExpressions.Regex.Escape(Uri.EscapeDataString(node.Spelling)) + "$"));
        await Assertions.Expect(page.Locator("#status")).ToContainTextAsync($"{node.Spelling} pinned");
        await page.Keyboard.PressAsync("Escape");
        var row = page.Panel().Locator($"button[data-to='{i}'] .name");
        await page.Panel().Locator("h3:has-text('Strongest nodes')").WaitForAsync();
        if (await row.CountAsync() > 0) await Assertions.Expect(row.First).ToContainTextAsync($"{node.Label} ·promoted-{node.Feature}");
    });

    [Fact]
    public async Task Spellings_of_earlier_versions_still_find_their_node_in_the_address_and_in_the_search()
    {
        var (i, node) = Strongest(n => !n.IsError && n.Site!.Name == "blocks.3.hook_resid_pre");
        foreach (var former in (string[])[$"3.resid {node.Feature}@{node.Position}", $"3.resid:{node.Feature}@{node.Position}"])
        {
            await browser.Visit(pages.File, page => Assertions.Expect(page.Node(i)).ToHaveAttributeAsync("aria-pressed", "true"),
                new(Hash: $"pin={Uri.EscapeDataString(former)}"));
        }
        await browser.Visit(pages.File, async page =>
        {
            await page.Keyboard.PressAsync("/");
            await page.Keyboard.TypeAsync($"3.{node.Feature}");
            await Assertions.Expect(page.Locator("#hits .hint"))
                .ToHaveTextAsync($"3.{node.Feature} is written 3:{node.Feature} in the residual stream, 3.attn:{node.Feature} or "
                    + $"3.mlp:{node.Feature}");
            await Assertions.Expect(page.Locator("#hits [role=option]").First).ToContainTextAsync($"3:{node.Feature}");
            await page.Keyboard.PressAsync("ArrowDown");
            await page.Keyboard.PressAsync("Enter");
            await Assertions.Expect(page.Locator("g.node[data-node][aria-pressed=true]")).ToHaveCountAsync(1);
        });
    }

    [Fact]
    public Task Names_beside_dots_do_not_lie_on_each_other_and_zooming_in_brings_more() => browser.Visit(pages.Write("labels.html",
        PictureSamples.Large(600, 2_000), ExamplePages.Cards(PictureSamples.Large(600, 2_000))), async page =>
    {
        await page.Slide(1000);
        await page.Until("document.querySelectorAll('svg.base .tag').length > 10");
        Assert.Equal(1, await page.Locator("svg.base.dots").CountAsync());
        var few = await Apart(page);
        // the metric and the strongest have theirs whatever else is left out
        var strongest = await page.EvaluateAsync<int[]>("[...document.querySelectorAll('svg.base .tag')].map(t => Number(t.dataset.tag))");
        var large = PictureSamples.Large(600, 2_000);
        var wanted = large.Nodes.Index().Where(n => !n.Item.IsMetric).OrderByDescending(n => Math.Abs(n.Item.Effect)).Take(5)
            .Select(n => n.Index).Append(large.Metric);
        Assert.Subset(strongest.ToHashSet(), wanted.ToHashSet());
        await page.Keyboard.PressAsync("+");
        await page.Until($"document.querySelectorAll('svg.base .tag').length > {few}");
        Assert.True(await Apart(page) > few);
    });

    [Fact]
    public Task A_dense_feature_is_marked_and_said_to_be_one() => browser.Visit(Dense(out var dense), async page =>
    {
        await Assertions.Expect(page.Locator("svg.base g.node.dense")).ToHaveCountAsync(dense.Count);
        await Assertions.Expect(page.Locator("#legend")).ToContainTextAsync("dense: at over 10 % of tokens");
        await page.Node(dense[0]).FocusAsync();
        await Assertions.Expect(page.Panel()).ToContainTextAsync("A dense feature: active at over 10 % of tokens.");
        Assert.Contains(", dense", await page.Node(dense[0]).GetAttributeAsync("aria-label"));
    });

    [Fact]
    public Task Dense_features_can_be_hidden_by_key_and_by_hand() => browser.Visit(Dense(out var dense), async page =>
    {
        await page.Keyboard.PressAsync("d");
        foreach (var i in dense) await Assertions.Expect(page.Node(i)).ToHaveCSSAsync("display", "none");
        await Assertions.Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("#hide=dense$"));
        await page.ClickAsync("#filter summary");
        await page.CheckAsync("[data-kind=dense]");
        foreach (var i in dense) await Assertions.Expect(page.Node(i)).Not.ToHaveCSSAsync("display", "none");
    });

    private string Dense(out List<int> dense)
    {
        var (_, node) = Strongest(n => !n.IsError);
        dense = [.. Picture.Nodes.Index().Where(n => n.Item.Site == node.Site && n.Item.Feature == node.Feature).Select(n => n.Index)];
        var cards = ExamplePages.Cards(Picture);
        cards[(node.Site!.Name, node.Feature)] = cards[(node.Site.Name, node.Feature)] with { FiringRate = 0.101 };
        return pages.Write("dense.html", Picture, cards);
    }

    // how many names there are; none may meet another
    private static Task<int> Apart(IPage page) => page.EvaluateAsync<int>("""
        () => {
          const boxes = [...document.querySelectorAll('svg.base .tag')].map(t => t.getBoundingClientRect());
          for (const [i, a] of boxes.entries()) for (const b of boxes.slice(0, i))
            if (a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
              throw new Error(`names meet at ${a.left} ${a.top}`);
          return boxes.length;
        }
        """);

    private (int Index, PictureNode Node) Strongest(Func<PictureNode, bool> which)
    {
        var (index, node) = Picture.Nodes.Index().Where(n => !n.Item.IsMetric && which(n.Item)).MaxBy(n => Math.Abs(n.Item.Effect));
        return (index, node);
    }
}
