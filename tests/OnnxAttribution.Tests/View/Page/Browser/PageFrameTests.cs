using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Pages in a notebook's frame, as the Python package shows them: the text is the frame's own, and its address cannot be
/// changed.</summary>
[Collection(PageCollection.Name)]
public sealed class PageFrameTests(PageBrowser browser, ExamplePages pages, BatchPages batch) : IDisposable
{
    private const string Elsewhere = "https://www.neuronpedia.org/";

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

    [Fact]
    public Task A_link_in_a_frame_opens_a_page_of_its_own() => browser.Visit(Framed(Linked()), async page =>
    {
        await page.Context.RouteAsync(Elsewhere + "**", route => route.FulfillAsync(new() { ContentType = "text/html", Body = "there" }));
        var frame = await Frame(page);
        await frame.Locator("g.node[data-node='0']").FocusAsync();
        var opened = await page.Context.RunAndWaitForPageAsync(() => frame.Locator("#panel a").ClickAsync());
        await Assertions.Expect(opened.Locator("body")).ToHaveTextAsync("there");
        Assert.Equal(Elsewhere + "gpt2-small/0-res-jb/0", opened.Url);
        // which may do what its site may, and has no hold on the notebook
        Assert.Equal(Elsewhere.TrimEnd('/'), await opened.EvaluateAsync<string>("self.origin"));
        Assert.True(await opened.EvaluateAsync<bool>("window.opener === null"));
    }, new(Elsewhere: Elsewhere));

    public void Dispose() => _directory.Dispose();

    private static async Task<IFrameLocator> Frame(IPage page)
    {
        var frame = page.FrameLocator("iframe");
        await Assertions.Expect(frame.Locator("html[data-ready]")).ToHaveCountAsync(1);
        return frame;
    }

    // of a dictionary that Neuronpedia has
    private string Linked()
    {
        var facts = PictureSamples.Facts("a");
        facts["neuronpedia_ids"] = new JsonObject { ["blocks.0.hook_resid_pre"] = "gpt2-small/0-res-jb" };
        return pages.Write("linked.html", PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 0, 1)], [], facts), []);
    }

    // as the Python package frames it
    private static string Sandbox()
    {
        var package = File.ReadAllText(Path.Combine(Repository.Root, "python", "onnx_attribution", "__init__.py"));
        return Regex.Match(package, "SANDBOX = \"([^\"]+)\"").Groups[1].Value;
    }

    private string Framed(string file)
    {
        var text = WebUtility.HtmlEncode(File.ReadAllText(file));
        var frame = $"""<iframe sandbox="{Sandbox()}" style="width:100%;height:640px" srcdoc="{text}"></iframe>""";
        File.WriteAllText(_directory["framed.html"], $"""<!doctype html><html data-ready="true"><meta charset="utf-8">{frame}</html>""");
        return _directory["framed.html"];
    }
}
