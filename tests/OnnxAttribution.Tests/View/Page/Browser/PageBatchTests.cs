using System.Text.RegularExpressions;
using Microsoft.Playwright;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>A batch of models/tiny, made once.</summary>
public sealed class BatchPages : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public BatchPages()
    {
        File.WriteAllLines(_directory["prompts.jsonl"],
        [
            """{"id": "a-1", "prompt": "Copyright (C", "target": ")"}""",
            """{"id": "gnu.2", "prompt": "GNU General Public"}""",
            """{"id": "c", "prompt": "WITHOUT WARRANTY OF", "target": " ANY"}""",
        ]);
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--directories", "--pages",
            "--validate", "--out", Batch).Done();
        File.Delete(Path.Combine(Batch, "c", RunPage.FileName));
        Verb.Run("view", Batch).Done();
        Verb.Run("view", Path.Combine(Batch, "merged")).Done();
    }

    public string Batch => _directory["batch"];

    public string Index => Path.Combine(Batch, BatchPage.FileName);

    public string Merged => Path.Combine(Batch, "merged", "mean", RunPage.FileName);

    public void Dispose() => _directory.Dispose();
}

[Collection(PageCollection.Name)]
public sealed class PageBatchTests(PageBrowser browser, BatchPages batch)
{
    private static readonly string[] s_ids = ["a-1", "gnu.2", "c"];

    private GraphRunRecord Record(string id) => (GraphRunRecord)RunDirectory.ReadRecord(Path.Combine(batch.Batch, id));

    [Fact]
    public Task The_index_has_a_row_a_prompt_with_what_was_asked_and_what_came_of_it() => browser.Visit(batch.Index, async page =>
    {
        Assert.Equal(s_ids, await Names(page));
        var rows = page.Locator("tbody tr");
        await Assertions.Expect(rows.Nth(0).Locator(".tokens")).ToHaveTextAsync("<|endoftext|>Copyright·(C");
        await Assertions.Expect(rows.Nth(2).Locator("td").Nth(1)).ToHaveTextAsync("·ANY");
        for (var i = 0; i < s_ids.Length; i++)
        {
            var record = Record(s_ids[i]);
            var cells = await rows.Nth(i).Locator("td").AllTextContentsAsync();
            Assert.Equal([$"{record.KeptNodes:N0}", $"{record.Edges:N0}"], cells.Skip(3).Take(2));
            Assert.Equal(record.CleanMetric!.Value, double.Parse(cells[2], System.Globalization.CultureInfo.InvariantCulture), 0.01);
            Assert.Equal(100 * (1 - record.ExplainedByFeatures!.Value),
                double.Parse(cells[5].Replace(" %", ""), System.Globalization.CultureInfo.InvariantCulture), 0.051);
            Assert.Equal(record.Validation!.Nodes.Pearson!.Value,
                double.Parse(cells[6], System.Globalization.CultureInfo.InvariantCulture), 0.001);
        }
        // the picture is there, as large as it is drawn
        Assert.True(await page.EvaluateAsync<int>("document.querySelector('#merged img').naturalWidth") > 400);
        Assert.Equal("a-1/graph.html", await rows.Nth(0).Locator("a").GetAttributeAsync("href"));
        Assert.Equal(0, await rows.Nth(2).Locator("a").CountAsync());
        await Assertions.Expect(page.Locator("#merged-title a")).ToHaveAttributeAsync("href", "merged/mean/graph.html");
    });

    [Fact]
    public Task Rows_are_sorted_by_mouse_and_by_keyboard_and_the_address_keeps_the_order() => browser.Visit(batch.Index, async page =>
    {
        // the batch's own order is no column's
        var arrows = page.Locator("th[aria-sort='ascending'], th[aria-sort='descending']");
        await Assertions.Expect(page.Locator("th[aria-sort='none']").First).ToBeVisibleAsync();
        await Assertions.Expect(arrows).ToHaveCountAsync(0);
        var byEdges = s_ids.OrderByDescending(id => Record(id).Edges).ToList();
        await page.ClickAsync("th button:has-text('edges')");
        Assert.Equal(byEdges, await Names(page));
        await Assertions.Expect(page.Locator("th:has-text('edges')")).ToHaveAttributeAsync("aria-sort", "descending");
        await page.Locator("th button:has-text('edges')").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        Assert.Equal(byEdges.AsEnumerable().Reverse(), await Names(page));
        await Assertions.Expect(page).ToHaveURLAsync(new Regex("#sort=edges$"));
        await page.ClickAsync("th button:has-text('prompt')");
        Assert.Equal(s_ids, await Names(page));
        await Assertions.Expect(page).ToHaveURLAsync(new Regex("html$"));
        await Assertions.Expect(arrows).ToHaveCountAsync(0);
        await page.ClickAsync("th button:has-text('prompt')");
        Assert.Equal(s_ids.AsEnumerable().Reverse(), await Names(page));
        await Assertions.Expect(arrows).ToHaveTextAsync("prompt");
    });

    [Theory, InlineData(1400, 900), InlineData(390, 844)]
    public Task Nothing_hangs_over_the_edge_of_the_screen(int width, int height) => browser.Visit(batch.Index, async page =>
        Assert.InRange(await page.EvaluateAsync<double>("document.documentElement.scrollWidth - innerWidth"), -100, 0),
        new(width, height));

    [Fact]
    public Task A_merged_graph_lists_its_prompts_and_says_in_how_many_each_node_and_edge_stands() =>
        browser.Visit(batch.Merged, async page =>
    {
        var prompts = page.Panel().Locator("ol.prompts li");
        Assert.Equal(s_ids, await prompts.Locator("b").AllTextContentsAsync());
        await Assertions.Expect(prompts.Nth(0)).ToContainTextAsync("logit of ')' after position 3");
        Assert.Equal("../../a-1/graph.html", await prompts.Nth(0).Locator("a").GetAttributeAsync("href"));
        Assert.Equal(0, await prompts.Nth(2).Locator("a").CountAsync());
        var picture = RunPicture.Read(Path.GetDirectoryName(batch.Merged)!);
        var runs = s_ids.Select(id => RunDirectory.Read(Path.Combine(batch.Batch, id))).ToList();
        int Having(PictureNode n) => runs.Count(r => r.Nodes.Any(m => m.Kept && m.Site == n.Site!.Name && m.Feature == n.Feature));
        // one that is in all of them and one that is not
        var nodes = picture.Nodes.Index().Where(n => !n.Item.IsMetric).ToList();
        foreach (var (i, node) in ((int, PictureNode)[])[nodes.First(n => Having(n.Item) == 3), nodes.First(n => Having(n.Item) < 3)])
        {
            await page.Node(i).FocusAsync();
            await Assertions.Expect(page.Panel().Locator(".facts")).ToContainTextAsync($"stands in{Having(node)} of 3 prompts");
        }
        var edge = picture.Edges.First(e => !picture.Nodes[e.Down].IsMetric);
        var (up, down) = (picture.Nodes[edge.Up], picture.Nodes[edge.Down]);
        var counted = runs.Count(r => r.Edges.ToArray().Any(e => e.Down >= 0 && (r.Nodes[e.Up].Site, r.Nodes[e.Up].Feature,
            r.Nodes[e.Down].Site, r.Nodes[e.Down].Feature) == (up.Site!.Name, up.Feature, down.Site!.Name, down.Feature)));
        Assert.Equal(counted, picture.Prompts.Having((up.Site!.Name, up.Feature), (down.Site!.Name, down.Feature)));
        await page.Node(edge.Up).FocusAsync();
        await Assertions.Expect(page.Panel().Locator("p.parts").First).ToContainTextAsync(" of 3 prompts");
    });

    [Fact]
    public Task Prompts_whose_metrics_are_about_different_tokens_have_no_one_number() => browser.Visit(batch.Merged, async page =>
    {
        var values = s_ids.Select(id => Record(id).CleanMetric!.Value).ToList();
        var words = await page.Locator("#header .metric").TextContentAsync();
        Assert.StartsWith("mean logit of 3 prompts, each of its own tokens", words);
        Assert.Contains($"{values.Min():0.00}"[..3], words);
        Assert.Contains($"{values.Max():0.00}"[..3], words);
        var picture = RunPicture.Read(Path.GetDirectoryName(batch.Merged)!);
        Assert.True(double.IsNaN(picture.CleanMetric) && picture.Header.CleanMetric > 0);
    });

    private static async Task<IReadOnlyList<string>> Names(IPage page) => await page.Locator("tbody th b").AllTextContentsAsync();
}
