using System.Globalization;
using Microsoft.Playwright;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageActionTests(PageBrowser browser, ExamplePages pages)
{
    private const int AtFirst = 250;

    private RunPicture Picture => pages.Picture;

    [Fact]
    public Task Pointing_at_a_node_shows_what_it_is_and_what_it_is_joined_to() => browser.Visit(pages.File, async page =>
    {
        var (i, node) = Strongest(n => !n.IsError && !float.IsNaN(n.ExactEffect));
        await page.Node(i).HoverAsync();
        var panel = page.Panel();
        await Assertions.Expect(panel.Locator("h2")).ToHaveTextAsync(node.Spelling);
        foreach (var words in (string[])[$"activation{Four(node.Activation)}", $"effect{Four(node.Effect)}",
            $"exact{Four(node.ExactEffect)}", node.Effect < 0 ? "it raises the metric" : "it lowers the metric",
            "·" + ExamplePages.Promoted(node.Feature).Trim(), $"·suppressed-{node.Feature}", $"The quick peak-{node.Feature}⏎",
            "1.3 % of tokens"])
        {
            await Assertions.Expect(panel).ToContainTextAsync(words);
        }
        // the prompt is shaded where the feature is active, most where it is most
        var heats = await panel.Locator(".prompt .heat")
            .EvaluateAllAsync<double[]>("spans => spans.map(s => Number(s.style.getPropertyValue('--heat')))");
        Assert.Equal(1, heats.Max());
        await Assertions.Expect(panel.Locator(".prompt .here")).ToHaveTextAsync(node.Token.Replace(' ', '·'));
        var @out = Picture.Edges.First(e => e.Up == i);
        await Assertions.Expect(panel.Locator("h3:has-text('Strongest edges out') + ol button").First)
            .ToContainTextAsync(Picture.Nodes[@out.Down].Label);
        Assert.Equal(Picture.Edges.Take(AtFirst).Count(e => e.Up == i || e.Down == i), await page.LitEdges().CountAsync());
    });

    [Fact]
    public Task A_feature_with_a_known_dictionary_is_linked_to_Neuronpedia() => browser.Visit(Linked(), async page =>
    {
        var (i, node) = Strongest(n => n.Site?.Name == "blocks.0.hook_resid_pre" && !n.IsError);
        await page.Node(i).Locator(".dot").HoverAsync();   // between it and its label lies the ground
        var link = page.Panel().Locator("a");
        await Assertions.Expect(link).ToHaveAttributeAsync("href", $"https://www.neuronpedia.org/{ExamplePages.Dictionary}/{node.Feature}");
        await Assertions.Expect(link).ToHaveAttributeAsync("target", "_blank");
        await Assertions.Expect(link).ToHaveAttributeAsync("rel", "noopener noreferrer");
    });

    [Fact]
    public Task Clicking_pins_a_node_and_lights_exactly_its_paths_until_it_is_let_go() => browser.Visit(pages.File, async page =>
    {
        var (i, node) = Strongest(n => n.Site?.Layer == 2);
        await page.Node(i).ClickAsync();
        var (edges, nodes) = Paths(i, AtFirst);
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(edges);
        await Assertions.Expect(page.Locator("svg.lit .node")).ToHaveCountAsync(nodes);
        await Assertions.Expect(page.Node(i)).ToHaveAttributeAsync("aria-pressed", "true");
        await page.Node(Picture.Metric).HoverAsync();
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(edges);
        await page.Slide(1000);
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(Paths(i, Picture.Edges.Count).Edges);
        await page.Panel().HoverAsync();
        await page.Panel().GetByText("Unpin").ClickAsync();
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(0);
        Assert.NotEqual(0, node.Effect);
    });

    [Fact]
    public Task The_slider_shows_the_strongest_edges_and_says_how_many_of_how_many() => browser.Visit(pages.File, async page =>
    {
        var label = page.Locator("#threshold-label");
        await Assertions.Expect(label).ToContainTextAsync($"{AtFirst} of {Picture.Edges.Count} edges");
        Assert.Equal(Enumerable.Range(0, AtFirst), await page.ShownNumbers());
        foreach (var value in (int[])[1000, 300, 800, 0, 1000])
        {
            await page.Slide(value);
            var wanted = (int)Math.Round(Picture.Edges.Count * Math.Pow(value / 1000.0, 2.2));
            await Assertions.Expect(page.ShownEdges()).ToHaveCountAsync(wanted);
            await Assertions.Expect(label)
                .ToContainTextAsync(wanted == Picture.Edges.Count ? $"{wanted} edges" : $"{wanted} of {Picture.Edges.Count} edges");
            Assert.Equal(Enumerable.Range(0, wanted), await page.ShownNumbers());
        }
    });

    [Fact]
    public Task Search_finds_a_node_by_label_number_site_token_promoted_token_and_context() => browser.Visit(pages.File, async page =>
    {
        var (i, node) = Strongest(n => !n.IsError && n.Token == " (");
        (string Query, Func<PictureNode, bool>? Matches)[] searches =
        [
            (node.Label, n => n.Label.Contains(node.Label)), ($"{node.Feature}", null),
            (node.Site!.Name, n => n.Site?.Name == node.Site.Name), ("copyr", n => n.Token == "Copyright"),
            (ExamplePages.Promoted(node.Feature), n => n.Feature == node.Feature),
            ($"quick peak-{node.Feature}", n => n.Feature == node.Feature),
        ];
        foreach (var (query, matches) in searches)
        {
            // out of the field, where hits stay open for a moment, and let go of what was found before
            await page.EvaluateAsync("document.activeElement.blur()");
            await page.Keyboard.PressAsync("Escape");
            await Assertions.Expect(page.Locator("g.node[data-node][aria-pressed=true]")).ToHaveCountAsync(0);
            await page.Keyboard.PressAsync("/");
            await page.Keyboard.TypeAsync(query);
            await Assertions.Expect(page.Locator("#hits [role=option]").First).ToBeVisibleAsync();
            var hits = await page.Locator("#hits [data-to]").EvaluateAllAsync<int[]>("hits => hits.map(h => Number(h.dataset.to))");
            if (matches is not null)
            {
                // numbers that only begin alike are found too; nothing else is
                Assert.All(hits, hit =>
                    Assert.True(matches(Picture.Nodes[hit]) || Picture.Nodes[hit].Feature.ToString(CultureInfo.InvariantCulture)
                        .StartsWith($"{node.Feature}", StringComparison.Ordinal), $"'{query}' found {Picture.Nodes[hit]}"));
            }
            if (query == "copyr") continue;
            Assert.Single(hits, i);
            await page.Keyboard.PressAsync("Enter");
            await Assertions.Expect(page.Locator("g.node[data-node][aria-pressed=true]")).ToHaveCountAsync(1);
        }
    });

    [Fact]
    public Task Everything_can_be_done_with_the_keyboard() => browser.Visit(pages.File, async page =>
    {
        var edge = Picture.Edges.Index()
            .First(e => e.Item.Down != Picture.Metric && Picture.Edges.First(o => o.Up == e.Item.Up).Equals(e.Item)).Item;
        await page.Node(edge.Up).FocusAsync();
        await Assertions.Expect(page.Panel().Locator("h2")).ToHaveTextAsync(Picture.Nodes[edge.Up].Spelling);
        await page.Keyboard.PressAsync("ArrowUp");
        await Assertions.Expect(page.Node(edge.Down)).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("ArrowDown");
        var back = Picture.Edges.First(e => e.Down == edge.Down).Up;
        await Assertions.Expect(page.Node(back)).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("ArrowRight");
        var right = await page.EvaluateAsync<int>("Number(document.activeElement.dataset.node)");
        Assert.Equal(Picture.Nodes[back].Site, Picture.Nodes[right].Site);
        await page.Keyboard.PressAsync("Tab");
        Assert.NotEqual(right, await page.EvaluateAsync<int>("Number(document.activeElement.dataset.node ?? -1)"));
        await page.Node(edge.Up).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Node(edge.Up)).ToHaveAttributeAsync("aria-pressed", "true");
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(page.Locator("g.node[aria-pressed=true]")).ToHaveCountAsync(0);
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("/");
        await Assertions.Expect(page.Locator("#search")).ToBeFocusedAsync();
        Assert.Equal("", await page.Locator("#search").InputValueAsync());
    });

    [Fact]
    public Task The_names_that_a_screen_reader_reads_tell_node_token_and_effect() => browser.Visit(pages.File, async page =>
    {
        var (i, node) = Strongest(n => n.Effect < 0);
        await Assertions.Expect(page.Node(i)).ToHaveAttributeAsync("role", "button");
        Assert.Matches($"^{node.Label} ·promoted-{node.Feature} at .*, position {node.Position}, raises the metric by [0-9.]+$",
            await page.Node(i).GetAttributeAsync("aria-label"));
        var unnamed = await page.EvaluateAsync<string[]>("[...document.querySelectorAll('button, input, summary, a, "
            + "[role=button]')].filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => "
            + "e.outerHTML.slice(0, 80))");
        Assert.Empty(unnamed);
    });

    private (int Index, PictureNode Node) Strongest(Func<PictureNode, bool> which)
    {
        var (index, node) = Picture.Nodes.Index().Where(n => !n.Item.IsMetric && which(n.Item)).MaxBy(n => Math.Abs(n.Item.Effect));
        return (index, node);
    }

    private (int Edges, int Nodes) Paths(int node, int shown)
    {
        var edges = Picture.Edges.Take(shown).ToList();
        HashSet<int> Reach(Func<PictureEdge, (int From, int To)> along)
        {
            var reached = new HashSet<int> { node };
            while (edges.Any(e => reached.Contains(along(e).From) && reached.Add(along(e).To)))
            {
            }
            return reached;
        }
        HashSet<int> after = Reach(e => (e.Up, e.Down)), before = Reach(e => (e.Down, e.Up));
        return (edges.Count(e => after.Contains(e.Up) || before.Contains(e.Down)), after.Union(before).Count());
    }

    private string Linked()
    {
        var record = Picture.Stored.Record with
        {
            NeuronpediaIds = new Dictionary<string, string> { ["blocks.0.hook_resid_pre"] = ExamplePages.Dictionary },
        };
        return pages.Write("linked.html", RunPicture.Of(pages.Run, Picture.Stored with { Record = record },
            new Dictionary<(string, int, int), float>(), new PictureLimits()), []);
    }

    // as the page writes numbers
    private static string Four(double value)
    {
        var rounded = double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return rounded.ToString("#,0.######", CultureInfo.InvariantCulture).Replace('-', '−');
    }
}
