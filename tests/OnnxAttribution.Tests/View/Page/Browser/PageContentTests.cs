using Microsoft.Playwright;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageContentTests(PageBrowser browser, ExamplePages pages)
{
    [Fact]
    public Task Every_kept_node_and_every_edge_of_the_Parquet_is_on_the_page() => browser.Visit(pages.File, async page =>
    {
        var run = RunDirectory.Read(pages.Run);
        var kept = run.Nodes.Count(n => n.Kept);
        Assert.True(kept > 200 && run.Edges.Length > 800);
        Assert.Equal(kept + 1, await page.Locator("g.node[data-node]").CountAsync());
        Assert.Equal(run.Edges.Length, await page.Locator("path.edge[data-edge]").CountAsync());
        var into = run.Edges.ToArray().Count(e => e.Down == CausalEdge.Metric);
        await page.Locator("#panel").PressAsync("/");
        await page.Keyboard.TypeAsync("metric");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Panel()).ToContainTextAsync($"7 of {into}");
    });

    [Fact]
    public Task The_header_tells_prompt_metric_next_tokens_errors_share_and_how_it_was_made() => browser.Visit(pages.File, async page =>
    {
        var header = page.Locator("#header");
        await Assertions.Expect(header.Locator("h1")).ToContainTextAsync("Copyright·(C");
        foreach (var words in (string[])["logit of ')' after position 3", "14.62", "99.2 %", "errors 2.2 %",
            "222 of 1,656 nodes kept", "904 edges"])
        {
            await Assertions.Expect(header).ToContainTextAsync(words);
        }
        await header.Locator("#about summary").ClickAsync();
        await Assertions.Expect(header.Locator("#command")).ToContainTextAsync("onnx-attribution graph --model");
        await Assertions.Expect(header.Locator("#copy")).ToBeVisibleAsync();
        await Assertions.Expect(header.Locator("#about dl")).ToContainTextAsync("methodatpestimatorgradientrefine32");
    });

    [Fact]
    public async Task The_header_points_to_the_token_explained_and_says_which_one_is_the_models_own()
    {
        await browser.Visit(pages.File, async page => Assert.EndsWith("C→)", await page.Locator("#header h1").TextContentAsync()));
        await browser.Visit(pages.Other, async page =>
        {
            Assert.Equal("O", await page.Locator("#header h1 .token.next").TextContentAsync());
            Assert.EndsWith("→O over )", await page.Locator("#header h1").TextContentAsync());
            Assert.Equal("O", await page.Locator(".nexts .token.target").TextContentAsync());
        });
        await browser.Visit(pages.Alone,
            async page => Assert.EndsWith("→·CON the model's top token is )", await page.Locator("#header h1").TextContentAsync()));
    }

    [Fact]
    public Task Bars_are_as_long_as_what_they_show() => browser.Visit(pages.File, async page =>
    {
        var shares = await page.EvaluateAsync<double[]>(
            "[...document.querySelectorAll('.nexts .token')].map(t => +t.style.getPropertyValue('--share'))");
        var probabilities = pages.Picture.Header.TopTokens.Take(5).Select(t => t.Probability).ToArray();
        for (var i = 0; i < shares.Length; i++) Assert.Equal(probabilities[i], shares[i], 0.0006);
        var meters = await page.EvaluateAsync<double[]>(
            "[...document.querySelectorAll('#sheet .links .meter rect')].map(r => +r.getAttribute('width'))");
        var effects = pages.Picture.Nodes.Where(n => !n.IsMetric).Select(n => Math.Abs(n.Effect)).OrderDescending().ToArray();
        Assert.InRange(meters.Length, 10, effects.Length);
        for (var i = 0; i < meters.Length; i++) Assert.Equal(48 * effects[i] / effects[0], meters[i], 0.51);
    });

    [Fact]
    public Task Columns_are_the_prompts_tokens_and_rows_go_from_the_embedding_to_the_metric() => browser.Visit(pages.File, async page =>
    {
        Assert.Equal(["<|endoftext|>", "Copyright", "·(", "C"], await page.Locator("#columns b").AllTextContentsAsync());
        var rows = await page.Locator("#rows span").AllTextContentsAsync();
        Assert.Equal(("0.resid", "metric"), (rows[0], rows[^1]));
        var tops = await page.EvaluateAsync<double[]>(
            "[...document.querySelectorAll('#rows span')].filter(s => !s.hidden).map(s => s.getBoundingClientRect().top)");
        Assert.Equal(tops.OrderDescending(), tops);
    });

    [Fact]
    public Task A_graph_without_positions_has_columns_for_attention_residual_stream_and_MLP() => browser.Visit(pages.Summed, async page =>
        Assert.Equal(["attention", "residual stream", "MLP"], await page.Locator("#columns b").AllTextContentsAsync()));

    [Fact]
    public Task What_raises_is_blue_and_what_lowers_is_red_and_the_legend_says_of_what() => browser.Visit(pages.File, async page =>
    {
        var nodes = pages.Picture.Nodes;
        var classes = await page.EvaluateAsync<string[]>("[...document.querySelectorAll('g.node[data-node]')].sort((a, "
            + "b) => a.dataset.node - b.dataset.node).map(e => e.getAttribute('class'))");
        Assert.Equal(nodes.Count, classes.Length);
        for (var i = 0; i < nodes.Count - 1; i++)
        {
            var sign = nodes[i].Contribution switch { > 0 => "raises", < 0 => "lowers", _ => "nil" };
            Assert.True(classes[i].Split(' ').Contains(sign),
                $"{nodes[i].Label} has effect {nodes[i].Effect} and does not look as if it {sign}");
        }
        await AssertColours(page, [.. pages.Picture.Edges.Select(e => e.OnMetric)]);
        var legend = page.Locator("#legend");
        await Assertions.Expect(legend).ToContainTextAsync("raises the metric");
        await Assertions.Expect(legend).ToContainTextAsync(
            "the opposite of the measured or estimated change when it is moved to zero (effect)");
        await page.ClickAsync("[data-sign=downstream]");
        await Assertions.Expect(legend).ToContainTextAsync("lowers the downstream feature");
        await AssertColours(page, [.. pages.Picture.Edges.Select(e => e.OnDownstream)]);
    });

    [Fact]
    public Task An_exact_graph_is_coloured_by_what_it_knows_the_downstream_features() => browser.Visit(pages.Ablated, async page =>
    {
        await Assertions.Expect(page.Locator("#legend")).ToContainTextAsync("raises the downstream feature");
        await Assertions.Expect(page.Locator("[data-sign=downstream]")).ToHaveAttributeAsync("aria-checked", "true");
    });

    [Fact]
    public Task A_page_of_doubled_features_says_so_and_keeps_their_signs()
    {
        var facts = PictureSamples.Facts("a");
        (facts["kind"], facts["options"]) = ("ablation", new System.Text.Json.Nodes.JsonObject { ["coefficient"] = 2 });
        var picture = PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, 3)],
            [new(0, OnnxAttribution.Attribution.CausalEdge.Metric, float.NaN, 3)], facts);
        return browser.Visit(pages.Write("doubled.html", picture, []), async page =>
        {
            await page.Node(0).FocusAsync();
            await Assertions.Expect(page.Panel().Locator(".sentence"))
                .ToHaveTextAsync("Multiplied by 2, the metric rises by 3: it raises the metric.");
            Assert.True(await page.Node(0).EvaluateAsync<bool>("e => e.classList.contains('raises')"));
            await Assertions.Expect(page.Locator("#legend"))
                .ToContainTextAsync("the change of the metric when the node is multiplied by 2");
        });
    }

    [Fact]
    public Task A_page_in_the_sign_of_ablations_reads_nodes_aloud_in_the_words_of_its_legend()
    {
        var facts = PictureSamples.Facts("a");
        facts["options"] = new System.Text.Json.Nodes.JsonObject { ["sign"] = "ablation" };
        var picture = PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, -3)],
            [new(0, OnnxAttribution.Attribution.CausalEdge.Metric, float.NaN, -3)], facts);
        return browser.Visit(pages.Write("signed.html", picture, []), async page =>
        {
            await Assertions.Expect(page.Locator("#legend")).ToContainTextAsync("moved away: lowers the metric");
            Assert.EndsWith(", moved away: lowers the metric by 3.00", await page.Node(0).First.GetAttributeAsync("aria-label"));
        });
    }

    [Fact]
    public Task A_page_of_patched_prompts_speaks_of_clean_values_also_where_they_are_merged()
    {
        var facts = PictureSamples.Facts("a");
        (facts["merged"], facts["patch_metric"]) = (true, 2.5);
        var picture = PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, 3)],
            [new(0, OnnxAttribution.Attribution.CausalEdge.Metric, float.NaN, 3)], facts);
        return browser.Visit(pages.Write("patched.html", picture, []), async page =>
        {
            await page.Node(0).FocusAsync();
            await Assertions.Expect(page.Panel().Locator(".sentence"))
                .ToHaveTextAsync("Moved to its patch value, the metric is estimated to rise by 3: its clean value lowers the metric.");
        });
    }

    [Fact]
    public Task The_mark_of_a_histogram_stands_in_the_bin_that_holds_the_activation()
    {
        // 20 bins of 1/2: up to 10, the largest 9.75; the row's activation is 1.5, so the mark lies at the end of the third
        var picture = PictureSamples.Single();
        var card = new OnnxAttribution.Dashboards.FeatureDashboard("blocks.0.hook_resid_pre", 0, 0.5, 2, 9.75f,
            [.. Enumerable.Repeat(1L, 20)], [], [], [], []);
        return browser.Visit(pages.Write("histogram.html", picture, new() { [(card.Site, 0)] = card }), async page =>
        {
            await page.Node(0).FocusAsync();
            Assert.StartsWith("M48 ", await page.Panel().Locator(".histogram .mark").GetAttributeAsync("d"));    // 320 wide
            await Assertions.Expect(page.Panel().Locator(".histogram span").Last).ToHaveTextAsync("10");
        });
    }

    [Fact]
    public Task Error_nodes_are_dashed_and_hatched() => browser.Visit(pages.File, async page =>
    {
        var error = pages.Picture.Nodes.Index().First(n => n.Item.IsError && pages.Picture.Edges.Take(100).Any(e => e.Up == n.Index)).Index;
        var box = page.Node(error).Locator(".box");
        Assert.NotEqual("none", await box.Drawn("stroke-dasharray"));
        Assert.StartsWith("url(", await box.Drawn("fill"));
        Assert.Equal("none", await page.Node(pages.Picture.Nodes.Index().First(n => !n.Item.IsError).Index)
            .Locator(".box")
            .Drawn("stroke-dasharray"));
    });

    [Fact]
    public Task Stronger_edges_are_wider() => browser.Visit(pages.File, async page =>
    {
        var widths = await page.EvaluateAsync<double[]>(
            "[...document.querySelectorAll('path.edge')].map(e => parseFloat(getComputedStyle(e).strokeWidth))");
        Assert.Equal(widths.OrderDescending(), widths);
        Assert.True(widths[0] > 3 * widths[^1]);
    });

    [Fact]
    public Task Nodes_are_dots_from_afar_and_labelled_boxes_from_near() => browser.Visit(pages.File, async page =>
    {
        var node = page.Node(0);
        await page.ZoomToDots();
        await Assertions.Expect(node.Locator(".dot")).ToBeVisibleAsync();
        await Assertions.Expect(node.Locator(".box")).ToBeHiddenAsync();
        await page.ZoomToBoxes();
        await Assertions.Expect(node.Locator(".box")).Not.ToHaveCSSAsync("display", "none");
        await Assertions.Expect(node.Locator("text.number")).ToHaveTextAsync(pages.Picture.Nodes[0].Label);
        await Assertions.Expect(node.Locator(".dot")).ToHaveCSSAsync("display", "none");
    });

    [Fact]
    public Task The_validation_is_a_section_that_opens_and_a_run_without_has_none() => browser.Visit(pages.File, async page =>
    {
        var section = page.Locator("#validation");
        await Assertions.Expect(section.Locator("table")).ToBeHiddenAsync();
        await section.Locator("summary").ClickAsync();
        await Assertions.Expect(section.Locator("table")).ToContainTextAsync("all nodes");
        Assert.Equal(ValidationTable.Of(pages.Picture.Stored.Record)!.Rows.Count, await section.Locator("tbody tr").CountAsync());
        await Assertions.Expect(section.Locator("#validation-figure svg circle").First).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(section.Locator("table")).ToBeHiddenAsync();
        await browser.Visit(pages.Summed, other => Assertions.Expect(other.Locator("#validation")).ToBeHiddenAsync());
    });

    [Fact]
    public Task The_certificate_is_a_section_of_its_own() => browser.Visit(pages.File, async page =>
    {
        var section = page.Locator("#certificate");
        await Assertions.Expect(section.Locator("table")).ToBeHiddenAsync();
        await section.Locator("summary").ClickAsync();
        await Assertions.Expect(section.Locator("table")).ToContainTextAsync("none above");
        Assert.Equal(CertificateTable.Of(pages.Picture.Stored.Record)!.Rows.Count, await section.Locator("tbody tr").CountAsync());
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(section.Locator("table")).ToBeHiddenAsync();
        await browser.Visit(pages.Summed, other => Assertions.Expect(other.Locator("#certificate")).ToBeHiddenAsync());
    });

    [Theory, InlineData("empty"), InlineData("single"), InlineData("unknown"), InlineData("mixed"), InlineData("hostile")]
    public Task An_odd_run_has_a_page_too(string name)
    {
        var picture = name switch
        {
            "empty" => PictureSamples.Empty(),
            "single" => PictureSamples.Single(),
            "unknown" => PictureSamples.Unknown(),
            "mixed" => PictureSamples.Mixed(),
            _ => PictureSamples.Hostile()
        };
        return browser.Visit(pages.Write($"odd-{name}.html", picture, []), async page =>
        {
            Assert.Equal(picture.Nodes.Count, await page.Locator("g.node[data-node]").CountAsync());
            Assert.Equal(picture.Edges.Count, await page.ShownEdges().CountAsync());
            for (var i = 0; i < Math.Min(picture.Nodes.Count, 5); i++)
            {
                await page.Node(i).FocusAsync();
                await Assertions.Expect(page.Panel().Locator("h2")).ToContainTextAsync(picture.Nodes[i].Label);
            }
        });
    }

    private static async Task AssertColours(IPage page, float[] known)
    {
        // the parts of each edge's colour, red, green, blue
        var colours = await page.EvaluateAsync<int[][]>(
            "[...document.querySelectorAll('path.edge')].map(e => getComputedStyle(e).stroke.match(/\\d+/g).map(Number))");
        for (var e = 0; e < known.Length; e++)
        {
            var (red, blue) = (colours[e][0], colours[e][2]);
            if (float.IsNaN(known[e]) || known[e] == 0)
            {
                Assert.InRange(red - blue, -40, 40);
            }
            else
            {
                Assert.True(known[e] > 0 ? blue > red + 60 : red > blue + 60,
                    $"edge {e}, {known[e]}, is drawn in {string.Join(' ', colours[e])}");
            }
        }
    }
}
