using Microsoft.Playwright;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageSafetyTests(PageBrowser browser, ExamplePages pages) : IDisposable
{
    private const string Injected = "window.injected = true";

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public Task Hostile_tokens_prompts_and_contexts_stay_text() => browser.Visit(Hostile(), async page =>
    {
        var elements = await page.Locator("script, img, iframe, object, embed, link, base").CountAsync();
        Assert.Equal(2, elements);   // the data and the script
        await Assertions.Expect(page.Locator("#header h1")).ToContainTextAsync("</script><img·src=x·onerror=alert(1)>");
        await Assertions.Expect(page.Locator("#columns")).ToContainTextAsync("⏎");
        for (var i = 0; i < 3; i++)
        {
            await page.Node(i).FocusAsync();
            await Assertions.Expect(page.Panel().Locator("h2")).ToBeVisibleAsync();
        }
        await page.Node(0).FocusAsync();
        await Assertions.Expect(page.Panel().Locator(".contexts .text").First).ToContainTextAsync(HostileRun.Script);
        await Assertions.Expect(page.Panel().Locator(".logits.raises")).ToContainTextAsync("</script><img·src=x");
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("onerror");
        await Assertions.Expect(page.Locator("#hits [role=option]").First).ToBeVisibleAsync();
        Assert.Equal(elements, await page.Locator("script, img, iframe, object, embed, link, base").CountAsync());
        Assert.Equal(0, await page.EvaluateAsync<int>(
            "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length"));
    });

    [Theory]
    [InlineData("<script>window.injected = true</script>", "script-src")]
    [InlineData("<img src=x onerror='window.injected = true'>", "script-src")]
    [InlineData("<iframe srcdoc='<script>parent.injected = true</script>'></iframe>", "script-src")]
    [InlineData("<link rel=stylesheet href='https://example.invalid/a.css'>", "style-src")]
    [InlineData("<p style='color: red'>styled</p>", "style-src")]
    [InlineData("<img src='https://example.invalid/a.png'>", "img-src")]
    public async Task The_policy_refuses_what_is_put_into_the_page(string markup, string directive)
    {
        var file = _directory["injected.html"];
        File.WriteAllText(file, File.ReadAllText(pages.File).Replace("<noscript>", markup + "<noscript>"));
        var complaints = await browser.Complaints(file, async page =>
        {
            await Assertions.Expect(page.Locator("html[data-ready]")).ToHaveCountAsync(1);
            Assert.False(await page.EvaluateAsync<bool>("'injected' in window"));
        });
        Assert.Contains(complaints,
            c => c.Contains("Content Security Policy", StringComparison.Ordinal) && c.Contains(directive, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_policy_refuses_to_fetch_and_to_run_a_script_added_later()
    {
        var complaints = await browser.Complaints(pages.File, async page =>
        {
            Assert.True(await page.EvaluateAsync<bool>("fetch('https://example.invalid/').then(() => false, () => true)"));
            await page.EvaluateAsync(
                "text => { const s = document.createElement('script'); s.textContent = text; document.body.append(s); }", Injected);
            Assert.False(await page.EvaluateAsync<bool>("'injected' in window"));
        });
        Assert.Contains(complaints, c => c.Contains("default-src 'none'", StringComparison.Ordinal));
        Assert.Contains(complaints, c => c.Contains("script-src", StringComparison.Ordinal));
    }

    public void Dispose() => _directory.Dispose();

    private string Hostile()
    {
        var picture = RunPicture.Read(HostileRun.Write(_directory["run"]));
        string[] texts = [HostileRun.Script, .. HostileRun.Tokens];
        return pages.Write("hostile.html", picture, new Dictionary<(string, int), FeatureDashboard>
        {
            [(HostileRun.Upstream, 7)] = new(HostileRun.Upstream, 7, 0.25, 1, 2, [3, 1], [new FeatureContext(0, 1, texts, [0, 2, 0, 1, 0])],
                [.. texts.Select(t => new TokenLogit(t, 1))], [new(HostileRun.Script, -1)], [new(8, 0.5f)]),
        });
    }
}
