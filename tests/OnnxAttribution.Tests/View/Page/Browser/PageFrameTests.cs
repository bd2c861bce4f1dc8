using System.Net;
using Microsoft.Playwright;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Pages in a notebook's frame, as the Python package shows them: the text is the frame's own, and its address cannot be
/// changed.</summary>
[Collection(PageCollection.Name)]
public sealed class PageFrameTests(PageBrowser browser, ExamplePages pages, BatchPages batch) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public Task What_is_saved_in_a_frame_arrives_and_what_is_changed_there_is_no_fault() => browser.Visit(Framed(pages.File), async page =>
    {
        var frame = await Frame(page);
        await frame.Locator("#theme").ClickAsync();
        // the address would be written by now
        await page.WaitForTimeoutAsync(500);
        var drawing = await page.RunAndWaitForDownloadAsync(() => frame.Locator("#download").ClickAsync());
        await drawing.SaveAsAsync(_directory["graph.svg"]);
        Assert.StartsWith("<?xml", File.ReadAllText(_directory["graph.svg"]));
        await frame.Locator("body").DispatchEventAsync("keydown", new { key = "s", bubbles = true });
        var saved = await page.RunAndWaitForDownloadAsync(() => frame.Locator("[data-tool=\"Save\"]").ClickAsync());
        await saved.SaveAsAsync(_directory["subgraph.json"]);
        Assert.Empty(SubgraphReader.Read(_directory["subgraph.json"]).Pins);
        await Assertions.Expect(frame.Locator("#subgraph")).ToContainTextAsync("The browser was given subgraph.json to save.");
    });

    [Fact]
    public Task An_index_in_a_frame_is_sorted_and_has_no_links_that_lead_nowhere() => browser.Visit(Framed(batch.Index), async page =>
    {
        var frame = await Frame(page);
        await frame.Locator("th button:has-text('edges')").ClickAsync();
        await Assertions.Expect(frame.Locator("th:has-text('edges')")).ToHaveAttributeAsync("aria-sort", "descending");
        await Assertions.Expect(frame.Locator("tbody tr")).ToHaveCountAsync(3);
        await Assertions.Expect(frame.Locator("a[href]")).ToHaveCountAsync(0);
    });

    [Fact]
    public Task A_merged_graph_in_a_frame_lists_its_prompts_without_links() => browser.Visit(Framed(batch.Merged), async page =>
    {
        var frame = await Frame(page);
        await Assertions.Expect(frame.Locator("#panel ol.prompts li")).ToHaveCountAsync(3);
        await Assertions.Expect(frame.Locator("#panel ol.prompts a")).ToHaveCountAsync(0);
    });

    public void Dispose() => _directory.Dispose();

    private static async Task<IFrameLocator> Frame(IPage page)
    {
        var frame = page.FrameLocator("iframe");
        await Assertions.Expect(frame.Locator("html[data-ready]")).ToHaveCountAsync(1);
        return frame;
    }

    private string Framed(string file)
    {
        var text = WebUtility.HtmlEncode(File.ReadAllText(file));
        var frame = $"""<iframe sandbox="allow-scripts allow-downloads" style="width:100%;height:640px" srcdoc="{text}"></iframe>""";
        File.WriteAllText(_directory["framed.html"], $"""<!doctype html><html data-ready="true"><meta charset="utf-8">{frame}</html>""");
        return _directory["framed.html"];
    }
}
