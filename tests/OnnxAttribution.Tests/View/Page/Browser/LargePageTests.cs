using Microsoft.Playwright;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class LargePageTests(PageBrowser browser, ExamplePages pages, ITestOutputHelper output)
{
    private const int Nodes = 2_000, Edges = 10_000, Moves = 12;

    private static readonly RunPicture s_picture = PictureSamples.Large(Nodes, Edges);

    private readonly string _large = Large(pages);

    [Fact]
    public void A_page_of_2000_nodes_with_dashboards_and_10000_edges_is_below_5_MB()
    {
        var size = new FileInfo(_large).Length;
        output.WriteLine($"{size / 1e6:0.00} MB");
        Assert.InRange(size, 1_000_000, 5_000_000);
    }

    [Fact]
    public Task Panning_moves_layers_and_touches_no_node_nor_edge() => browser.Visit(_large, async page =>
    {
        Assert.Equal(Edges, await page.Locator("path.edge").CountAsync());
        await page.Slide(1000);
        await Assertions.Expect(page.Locator("path.edge.off")).ToHaveCountAsync(0);
        await AssertMovesLayersAlone(page, "whole graph");
        await page.ZoomToBoxes();
        await AssertMovesLayersAlone(page, "labelled boxes");
        Assert.InRange(await page.Locator("svg.base g.node .box").CountAsync(), 50, Nodes - 100);
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
        await page.Node(s_picture.Edges[0].Up).EvaluateAsync("n => n.dispatchEvent(new MouseEvent('click', { bubbles: true }))");
        Assert.True(await page.LitEdges().CountAsync() > 500);
        await AssertMovesLayersAlone(page, "paths lit");
    });

    [Fact]
    public Task The_slider_touches_the_edges_that_it_passes_and_their_ends_alone() => browser.Visit(_large, async page =>
    {
        await page.Slide(1000);
        for (var (value, shown) = (800, Edges); value >= 0; value -= 200)
        {
            var to = value;
            var touched = await Touched(page, () => page.Slide(to));
            var now = await page.ShownEdges().CountAsync();
            Assert.True(now < shown);
            Assert.Equal(shown - now, touched.Count(t => t == "edge"));
            // an end each, with its class and its place in the order of Tab
            Assert.InRange(touched.Count(t => t == "node"), 0, 2 * Math.Min(Nodes, 2 * (shown - now)));
            Assert.InRange(touched.Count(t => t is not ("edge" or "node")), 0, 60);
            shown = now;
        }
    });

    // in ms of the page's main thread at work, which a busy machine does not make longer as it does a clock's
    private const double LongestTask = 100;

    [Fact]
    public Task No_task_of_the_page_is_long_while_sliders_and_the_wheel_move() => browser.Visit(_large, async page =>
    {
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        async Task Wheel(float by, int times, float wait)
        {
            await page.Mouse.MoveAsync(view.X + (view.Width / 2), view.Y + (view.Height / 2));
            for (var i = 0; i < times; i++)
            {
                await page.Mouse.WheelAsync(0, by);
                await page.WaitForTimeoutAsync(wait);
            }
        }
        (string Name, Func<Task> Gesture)[] gestures =
        [
            ("edges, to all", () => Glide(page, "threshold", 460, 1000)), ("edges, to none", () => Glide(page, "threshold", 1000, 0)),
            ("edges, from none to all at once", () => page.Slide(1000)), ("edges, to none at once", () => page.Slide(0)),
            ("edges, from none to all", () => Glide(page, "threshold", 0, 1000)),
            ("nodes, to none", () => Glide(page, "node-threshold", 1000, 0)),
            ("nodes, to all", () => Glide(page, "node-threshold", 0, 1000)),
            // in a stroke, and with rests, in which it is painted anew at the scale reached
            ("wheel, in", () => Wheel(-120, 20, 40)),
            ("wheel, out", () => Wheel(120, 20, 40)), ("wheel, in, step by step", () => Wheel(-300, 5, 300)),
            ("wheel, out, step by step", () => Wheel(300, 5, 300)),
        ];
        var longest = new List<(string Name, double Milliseconds)>();
        foreach (var (name, gesture) in gestures)
        {
            longest.Add((name, await MainThread.LongestTask(page, async () =>
            {
                await gesture();
                // what waits for the hand to rest
                await page.WaitForTimeoutAsync(450);
            })));
        }
        output.WriteLine(string.Join('\n', longest.Select(l => $"{l.Name}: {l.Milliseconds:0} ms")));
        Assert.All(longest, l => Assert.InRange(l.Milliseconds, 1, LongestTask));
    }, new(Glides: true));

    /// <summary>Moves a slider as a hand does, a step a frame.</summary>
    private static Task Glide(IPage page, string slider, int from, int to) => page.EvaluateAsync("""
        ([id, from, to]) => new Promise(done => {
          const slider = document.getElementById(id);
          let i = 0;
          const step = () => {
            slider.value = from + (to - from) * i / 40;
            slider.dispatchEvent(new Event('input'));
            if (i++ < 40) requestAnimationFrame(step); else done();
          };
          step();
        })
        """, new object[] { slider, from, to });

    private async Task AssertMovesLayersAlone(IPage page, string when)
    {
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        var (x, y) = (view.X + (view.Width / 2), view.Y + (view.Height / 2));
        await page.Mouse.MoveAsync(x, y);
        await page.Mouse.DownAsync();
        var before = await page.Place();
        var touched = await Touched(page, async () =>
        {
            for (var i = 1; i <= Moves; i++) await page.Mouse.MoveAsync(x + (200 * MathF.Sin(i / 3f)), y + (80 * MathF.Cos(i / 3f)));
        });
        await page.Mouse.UpAsync();
        Assert.NotEqual(before, await page.Place());
        output.WriteLine($"{when}: {string.Join(", ", touched.CountBy(t => t).Select(t => $"{t.Value} × {t.Key}"))}");
        Assert.All(touched, t => Assert.Contains(t, (string[])["world", "rows", "columns", "strokes"]));
        // each of the four layers once a move
        Assert.InRange(touched.Length, 4, 4 * Moves);
    }

    /// <summary>What is changed in the document while something is done:
    /// <c>node</c> or <c>edge</c>, or the id of the nearest element that has one. Which of them is pointed at is not looked at.</summary>
    private static async Task<string[]> Touched(IPage page, Func<Task> act)
    {
        await page.EvaluateAsync("""
            () => {
              window.touched = [];
              const name = e => e.closest?.('path.edge') ? 'edge'
                : e.closest?.('g.node') ? 'node'
                : e.closest?.('[id]')?.id ?? e.parentElement?.closest('[id]')?.id ?? e.nodeName;
              window.observer = new MutationObserver(all => window.touched.push(...all.map(m => name(m.target))));
              window.observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
            }
            """);
        await act();
        return await page.EvaluateAsync<string[]>("() => { window.observer.disconnect(); return window.touched; }");
    }

    private static string Large(ExamplePages pages)
    {
        var random = new Random(2);
        string[] words = [.. Enumerable.Range(0, 5_000).Select(i => $" word{i}")];
        string Word() => words[random.Next(words.Length)];
        FeatureContext Context(int quantile)
        {
            var active = new float[24];
            for (var i = 0; i < 4; i++) active[random.Next(24)] = random.NextSingle() * 10;
            return new FeatureContext(quantile, 12, [.. Enumerable.Range(0, 24).Select(_ => Word())], active);
        }
        var cards = s_picture.Nodes.Where(n => n is { IsMetric: false, IsError: false })
            .DistinctBy(n => (n.Site, n.Feature))
            .ToDictionary(n => (n.Site!.Name, n.Feature), n => new FeatureDashboard(
                n.Site!.Name, n.Feature, random.NextDouble() / 20, random.NextSingle(), 10,
                [.. Enumerable.Range(0, 20).Select(i => (long)random.Next(10_000 / (i + 1)))],
                [.. Enumerable.Range(0, 30).Select(i => Context(i < 10 ? 0 : 1 + (i / 10)))],
                [.. Enumerable.Range(0, 10).Select(i => new TokenLogit(Word(), random.NextSingle() * 3))],
                [.. Enumerable.Range(0, 10).Select(i => new TokenLogit(Word(), -random.NextSingle() * 3))],
                [.. Enumerable.Range(0, 5).Select(i => new NearFeature(random.Next(24_576), random.NextSingle()))]));
        return pages.Write("large.html", s_picture, cards);
    }
}
