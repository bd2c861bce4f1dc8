using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Edges as they are painted, pixel by pixel: on a canvas below the nodes.</summary>
[Collection(PageCollection.Name)]
public sealed class PageStrokesTests(PageBrowser browser, ExamplePages pages)
{
    // red, green, blue and alpha where each edge has its middle
    private const string Middles = """
        () => {
          const canvas = document.querySelector('#strokes'), base = document.querySelector('svg.base');
          // a copy that is made to be read
          const pixels = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
          pixels.drawImage(canvas, 0, 0);
          const at = new DOMMatrix(getComputedStyle(canvas).transform), scale = base.width.baseVal.value / base.viewBox.baseVal.width;
          return [...document.querySelectorAll('path.edge')].map(path => {
            const p = path.getPointAtLength(path.getTotalLength() / 2);
            const [x, y] = [(p.x * scale - at.e) * devicePixelRatio, (p.y * scale - at.f) * devicePixelRatio];
            return [...pixels.getImageData(Math.round(x), Math.round(y), 1, 1).data];
          });
        }
        """;

    [Fact]
    public Task Each_edge_is_a_stroke_in_its_colour_and_one_that_is_not_shown_is_none() => browser.Visit(Apart(), async page =>
    {
        await Drawn(page, m => m.All(p => p[3] > 0));
        var middles = await page.EvaluateAsync<int[][]>(Middles);
        // raises, lowers
        Assert.True(middles[0][2] > middles[0][0] + 60 && middles[1][0] > middles[1][2] + 60, string.Join(" ", middles.SelectMany(p => p)));
        await page.Slide(740);   // the strongest alone: 2 · 0.74^2.2 is one
        Assert.Equal(0, Assert.Single(await page.ShownNumbers()));
        await Drawn(page, m => m[0][3] > 0 && m[1][3] == 0);
        await page.Slide(1000);
        await Drawn(page, m => m.All(p => p[3] > 0));
        await page.Slide(0);
        await Drawn(page, m => m.All(p => p[3] == 0));
        await page.Slide(1000);
        await page.ClickAsync("#palette");
        await Drawn(page, m => m[0][2] > m[0][0] + 60);
        await page.ClickAsync("[data-sign=downstream]");
        // both raise what they lead to
        await Drawn(page, m => m.Where(p => p[3] > 0).All(p => p[2] > p[0] + 60) && m[0][3] > 0);
    });

    [Fact]
    public Task Strokes_follow_when_the_graph_is_moved_scaled_and_the_screen_changes() => browser.Visit(Apart(), async page =>
    {
        await Drawn(page, m => m.All(p => p[3] > 0));
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        await page.Mouse.MoveAsync(view.X + 200, view.Y + 200);
        await page.Mouse.DownAsync();
        await page.Mouse.MoveAsync(view.X + 700, view.Y + 500, new() { Steps = 5 });
        await page.Mouse.UpAsync();
        await Drawn(page, m => m.All(p => p[3] > 0));
        await page.Keyboard.PressAsync("-");
        await Drawn(page, m => m.All(p => p[3] > 0));
        await page.SetViewportSizeAsync(700, 600);
        await page.Keyboard.PressAsync("0");
        await Drawn(page, m => m.All(p => p[3] > 0));
    });

    [Fact]
    public Task On_paper_edges_are_lines_and_no_canvas() => browser.Visit(Apart(), async page =>
    {
        Assert.Equal("hidden", await page.Locator("path.edge").First.Drawn("visibility"));
        // without a place in the layout: a slider that passes thousands would lay them all out anew
        Assert.Equal("none", await page.Locator("svg.base > .edges").Drawn("display"));
        await page.EmulateMediaAsync(new() { Media = Media.Print });
        Assert.Equal("visible", await page.Locator("path.edge").First.Drawn("visibility"));
        Assert.Equal("inline", await page.Locator("svg.base > .edges").Drawn("display"));
        Assert.Equal("none", await page.Locator("#strokes").Drawn("display"));
    });

    private string Apart()
    {
        const string lower = "blocks.0.hook_resid_pre", upper = "blocks.1.hook_resid_pre";
        var facts = PictureSamples.Facts("ab");
        facts["token_strings"] = new System.Text.Json.Nodes.JsonArray("a", "b");
        var picture = PictureSamples.Of([PictureSamples.Row(lower, 0, "a", 1, -4), PictureSamples.Row(lower, 1, "b", 2, -2),
            PictureSamples.Row(upper, 0, "a", 3, -3), PictureSamples.Row(upper, 1, "b", 4, -1) with { Gradient = -0.5f }],
            [new(0, 2, 1, -4), new(1, 3, 1, 3)], facts, 1);
        return pages.Write("apart.html", picture, []);
    }

    // strokes come with the next frames
    private static async Task Drawn(IPage page, Func<int[][], bool> wanted)
    {
        var middles = await page.EvaluateAsync<int[][]>(Middles);
        for (var i = 0; i < 600 && !wanted(middles); i++)
        {
            await page.EvaluateAsync("() => new Promise(done => requestAnimationFrame(done))");
            middles = await page.EvaluateAsync<int[][]>(Middles);
        }
        Assert.True(wanted(middles), string.Join(" | ", middles.Select(p => string.Join(" ", p))));
    }
}
