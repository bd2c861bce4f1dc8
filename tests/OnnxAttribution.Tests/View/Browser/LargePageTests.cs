using System.Globalization;
using Microsoft.Playwright;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Browser;

[Collection(PageCollection.Name)]
public sealed class LargePageTests(PageBrowser browser, ExamplePages pages, ITestOutputHelper output)
{
    private const int Nodes = 2_000, Edges = 10_000;

    [Fact]
    public void A_page_of_2000_nodes_with_dashboards_and_10000_edges_is_below_5_MB()
    {
        var size = new FileInfo(Large()).Length;
        output.WriteLine($"{size / 1e6:0.00} MB");
        Assert.InRange(size, 1_000_000, 5_000_000);
    }

    [Fact]
    public Task Panning_2000_nodes_and_10000_edges_is_smooth() => browser.Visit(Large(), async page =>
    {
        Assert.Equal(Edges, await page.Locator("path.edge").CountAsync());
        await page.Slide(1000);
        await Assertions.Expect(page.Locator("path.edge.off")).ToHaveCountAsync(0);
        await Task.Delay(1000);
        await Measure(page, "whole graph", () => Drag(page));
        await page.ZoomToBoxes();
        await Task.Delay(1000);
        await Measure(page, "labelled boxes", () => Drag(page));
        await page.Locator("g.node.metric[data-node]").EvaluateAsync("n => n.dispatchEvent(new MouseEvent('click', { bubbles: true }))");
        await Task.Delay(1000);
        await Measure(page, "paths lit", () => Drag(page));
    });

    [Fact]
    public Task Sliding_through_10000_edges_does_not_freeze_the_page() => browser.Visit(Large(), async page =>
    {
        var frames = await Frames(page, async () =>
        {
            for (var value = 1000; value >= 0; value -= 100)
            {
                await page.Slide(value);
                await page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
            }
        });
        Report("slider", frames);
        Assert.True(frames[^1] < 3000, $"a frame took {frames[^1]:0} ms");
    });

    // the machine is shared with other tests: the best of three counts
    private async Task Measure(IPage page, string name, Func<Task> act)
    {
        var best = double.PositiveInfinity;
        for (var attempt = 0; attempt < 3 && best > 34; attempt++)
        {
            var frames = await Frames(page, act);
            Report(name, frames);
            best = Math.Min(best, frames[frames.Count / 2]);
        }
        Assert.True(best < 50, $"{name}: the median frame took {best:0.0} ms");
    }

    private void Report(string name, IReadOnlyList<double> frames) => output.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{name}: {frames.Count} frames, median {frames[frames.Count / 2]:0.0} ms, 95 % within {frames[frames.Count * 95 / 100]:0.0} ms, longest {frames[^1]:0.0} ms"));

    /// <summary>Times between frames while something is done, sorted.</summary>
    private static async Task<IReadOnlyList<double>> Frames(IPage page, Func<Task> act)
    {
        await page.EvaluateAsync("""
            () => {
              window.frameTimes = []; window.measuring = true;
              let last = 0;
              const tick = now => { if (last) window.frameTimes.push(now - last); last = now; if (window.measuring) requestAnimationFrame(tick); };
              requestAnimationFrame(tick);
            }
            """);
        await act();
        await page.EvaluateAsync("() => new Promise(done => { const wait = () => window.frameTimes.length > 10 ? done() : requestAnimationFrame(wait); wait(); })");
        return [.. (await page.EvaluateAsync<double[]>("() => { window.measuring = false; return window.frameTimes; }")).Order()];
    }

    private static async Task Drag(IPage page)
    {
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        var (x, y) = (view.X + (view.Width / 2), view.Y + (view.Height / 2));
        await page.Mouse.MoveAsync(x, y);
        await page.Mouse.DownAsync();
        for (var i = 0; i < 60; i++) await page.Mouse.MoveAsync(x + (200 * MathF.Sin(i / 6f)), y + (80 * MathF.Cos(i / 5f)));
        await page.Mouse.UpAsync();
    }

    private string Large()
    {
        var picture = PictureSamples.Large(Nodes, Edges);
        var random = new Random(2);
        string[] words = [.. Enumerable.Range(0, 5_000).Select(i => $" word{i}")];
        string Word() => words[random.Next(words.Length)];
        FeatureContext Context(int quantile)
        {
            var active = new float[24];
            for (var i = 0; i < 4; i++) active[random.Next(24)] = random.NextSingle() * 10;
            return new FeatureContext(quantile, 12, [.. Enumerable.Range(0, 24).Select(_ => Word())], active);
        }
        var cards = picture.Nodes.Where(n => n is { IsMetric: false, IsError: false }).DistinctBy(n => (n.Site, n.Feature)).ToDictionary(n => (n.Site!.Name, n.Feature), n => new FeatureDashboard(
            n.Site!.Name, n.Feature, random.NextDouble() / 20, random.NextSingle(), 10, [.. Enumerable.Range(0, 20).Select(i => (long)random.Next(10_000 / (i + 1)))],
            [.. Enumerable.Range(0, 30).Select(i => Context(i < 10 ? 0 : 1 + (i / 10)))],
            [.. Enumerable.Range(0, 10).Select(i => new TokenLogit(Word(), random.NextSingle() * 3))], [.. Enumerable.Range(0, 10).Select(i => new TokenLogit(Word(), -random.NextSingle() * 3))],
            [.. Enumerable.Range(0, 5).Select(i => new NearFeature(random.Next(24_576), random.NextSingle()))]));
        return pages.Write("large.html", picture, cards);
    }
}
