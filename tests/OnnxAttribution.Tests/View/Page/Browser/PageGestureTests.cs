using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Every gesture of the page, by mouse and by keyboard, on every kind of graph, on a desk's and on a phone's screen, light and
/// dark: one visit each, in which gesture follows gesture and each leaves the page as it was.</summary>
[Collection(PageCollection.Name)]
public sealed partial class PageGestureTests(PageBrowser browser, ExamplePages pages, BatchPages batch)
{
    private const string Hostile = "<img src=x onerror=alert(1)>\u00ad|&,";

    // both screens at once: most of a gesture is waiting
    [Theory, InlineData("small"), InlineData("long"), InlineData("merged"), InlineData("large")]
    public Task All_gestures_work_in_light_and_dark(string kind)
    {
        var file = GesturePages.Of(kind, pages, batch);
        return Task.WhenAll(MakeAll(file, kind, 1400), MakeAll(file, kind, 390));
    }

    private async Task MakeAll(string file, string kind, int width)
    {
        var how = new PageVisit(width, width == 390 ? 844 : 900, width == 390 ? "theme=dark" : "theme=light");
        var hash = "";
        await browser.Visit(file, async page =>
        {
            await LooksWell(page, kind);
            await page.ClickAsync("#theme");
            await Assertions.Expect(page.Locator($"html[data-theme={(width == 390 ? "light" : "dark")}]")).ToHaveCountAsync(1);
            await LooksWell(page, kind);
            await Moves(page);
            await PointsAndPins(page);
            await Slides(page);
            await Hides(page);
            await Searches(page);
            await Colours(page);
            if (kind == "merged") await Assertions.Expect(page.Panel().Locator("ol.prompts li")).ToHaveCountAsync(3);
            hash = await Groups(page);
        }, how);
        await browser.Visit(file, async page =>
        {
            await Assertions.Expect(page.Box($"g:{Hostile}")).ToHaveCountAsync(1);
            await Assertions.Expect(page.Boxes()).ToHaveCountAsync(3);   // the group, a node, the metric
            await Undoes(page);
        }, how with { Hash = hash });
    }

    /// <summary>Names beside dots lie within the stage, none on another, and texts have nothing in them that hides.</summary>
    private static async Task LooksWell(IPage page, string kind)
    {
        await page.EvaluateAsync("() => new Promise(done => setTimeout(done, 350))");
        Assert.Empty(await page.EvaluateAsync<string[]>("""
            () => {
              const v = document.querySelector('#view').getBoundingClientRect();
              const within = (r, by) => r.left >= v.left - by && r.right <= v.right + by && r.top >= v.top - by
                && r.bottom <= v.bottom + by;
              const tags = [...document.querySelectorAll('svg.base .tags text')].map(t => ({ t, r: t.getBoundingClientRect() }));
              const dot = t => document.querySelector(`svg.base g.node[data-node="${t.dataset.tag}"] .dot`).getBoundingClientRect();
              const middle = r => ({ left: (r.left + r.right) / 2, right: (r.left + r.right) / 2, top: (r.top + r.bottom) / 2,
                bottom: (r.top + r.bottom) / 2 });
              const cut = tags.filter(({ t, r }) => within(middle(dot(t)), -1) && !within(r, 3)).map(({ t }) => `cut: ${t.textContent}`);
              const shared = (a, b) => [Math.min(a.right, b.right) - Math.max(a.left, b.left),
                Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
              const lies = (a, b) => { const [w, h] = shared(a, b); return w > 1.5 && h > 2.5; };
              const on = tags.flatMap(({ t, r }, i) => tags.slice(i + 1).filter(o => lies(r, o.r))
                .map(o => `${t.textContent} on ${o.t.textContent}`));
              return [...cut, ...on];
            }
            """));
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Hidden));
        if (kind != "large") Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
        Assert.InRange(await page.EvaluateAsync<double>("document.documentElement.scrollWidth - innerWidth"), -100, 0);
    }

    private static async Task Moves(IPage page)
    {
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        async Task Changes(Func<Task> gesture)
        {
            var before = await page.Place();
            await gesture();
            await page.Until($"document.querySelector('#world').style.transform !== '{before}'");
        }
        await page.Mouse.MoveAsync(view.X + (view.Width / 2), view.Y + 30);
        await Changes(async () =>
        {
            await page.Mouse.DownAsync();
            await page.Mouse.MoveAsync(view.X + (view.Width / 2) + 40, view.Y + 60, new() { Steps = 3 });
            await page.Mouse.UpAsync();
        });
        await Changes(() => page.Mouse.WheelAsync(0, -200));
        foreach (var key in (string[])["+", "-", "0"]) await Changes(() => page.Keyboard.PressAsync(key));
        foreach (var zoom in (string[])["in", "out", "in", "fit"]) await Changes(() => page.ClickAsync($"[data-zoom={zoom}]"));
        await page.Until("document.querySelector('#world').style.transform.endsWith('scale(1)')");
    }

    private static async Task PointsAndPins(IPage page)
    {
        var pinned = page.Locator("svg.base g.node[aria-pressed=true]");
        var (node, x, y) = (await Apart(page, 1))[0];
        var name = await page.EvaluateAsync<string>("i => { const n = JSON.parse(document.getElementById('data').textContent).nodes[i]; "
            + "return n.p < 0 ? n.l : `${n.l}@${n.p}`; }", node);
        await page.Mouse.MoveAsync(x, y);
        await Assertions.Expect(page.Locator("#panel h2")).ToHaveTextAsync(name);
        await page.Mouse.ClickAsync(x, y);
        await Assertions.Expect(page.Node(node)).ToHaveAttributeAsync("aria-pressed", "true");
        await Assertions.Expect(page).ToHaveURLAsync(new Regex("pin="));
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(pinned).ToHaveCountAsync(0);
        await page.Node(node).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Node(node)).ToHaveAttributeAsync("aria-pressed", "true");
        foreach (var arrow in (string[])["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]) await page.Keyboard.PressAsync(arrow);
        Assert.True(await page.EvaluateAsync<bool>("document.activeElement.matches('g.node')"));
        await page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(pinned).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("0");
    }

    private static async Task Slides(IPage page)
    {
        foreach (var slider in (string[])["threshold", "node-threshold"])
        {
            var (input, label) = (page.Locator($"#{slider}"), page.Locator($"#{slider}-label"));
            var box = (await input.BoundingBoxAsync())!;
            var before = await label.TextContentAsync();
            // away from where the thumb is, on every graph
            await page.Mouse.ClickAsync(box.X + (box.Width * 0.8f), box.Y + (box.Height / 2));
            await page.Until($"document.getElementById('{slider}-label').textContent !== '{before}'");
            var half = await label.TextContentAsync();
            await page.Keyboard.PressAsync("Home");
            await page.Until($"document.getElementById('{slider}-label').textContent !== '{half}'");
            await Assertions.Expect(label).ToContainTextAsync("0 of ");
            await page.Keyboard.PressAsync("ArrowRight");
            await page.Keyboard.PressAsync("End");
            await Assertions.Expect(label).Not.ToContainTextAsync(" of ");
            await AssertTicks(page);
        }
        // and with few nodes
        await page.Slide(250, "node-threshold");
        await AssertTicks(page);
        await page.Slide(1000, "node-threshold");
        await AssertTicks(page);
    }

    /// <summary>A column is a tick exactly where none of its nodes is shown, and nodes stand in their columns.</summary>
    private static async Task AssertTicks(IPage page) => Assert.True(await page.EvaluateAsync<bool>("""
        () => new Promise(done => {
          const { nodes, layout } = JSON.parse(document.getElementById('data').textContent);
          const spans = [...document.querySelectorAll('#columns span')];
          const isShown = i => getComputedStyle(document.querySelector(`svg.base g.node[data-node="${i}"]`)).display !== 'none';
          const holds = () => {
            const shown = nodes.map((n, i) => isShown(i));
            return layout.columns.every((c, j) => spans[j].classList.contains('tick')
              === !nodes.some((n, i) => n.x >= c.left && n.x <= c.right && shown[i]));
          };
          // columns follow once the slider rests
          let frames = 0;
          const look = () => holds() ? done(true) : ++frames > 300 ? done(false) : requestAnimationFrame(look);
          look();
        })
        """));

    private static async Task Hides(IPage page)
    {
        const string shown = "document.querySelectorAll('svg.base g.node:not(.gone)').length";
        var all = await page.EvaluateAsync<int>(shown);
        foreach (var (key, kind, css) in ((string, string, string)[])[("e", "errors", ".error"), ("d", "dense", ".dense"),
            ("u", "lone", ".lone:not(.metric)")])
        {
            var some = await page.Locator($"svg.base g.node{css}:not(.gone)").CountAsync();
            await page.Keyboard.PressAsync(key);
            await page.Until($"{shown} === {all - some}");
            await page.ClickAsync("#filter summary");
            if (await page.Locator($"[data-kind={kind}]").IsEnabledAsync())
            {
                await page.CheckAsync($"[data-kind={kind}]");
            }
            else
            {
                await page.Keyboard.PressAsync(key);
            }
            await page.Until($"{shown} === {all}");
            await page.Keyboard.PressAsync("Escape");
            await Assertions.Expect(page.Locator("#filter-list")).ToBeHiddenAsync();
        }
        if (await page.Locator("#component").CountAsync() == 0) return;
        await page.ClickAsync("#filter summary");
        await page.SelectOptionAsync("#component", "1");
        await page.Until($"{shown} < {all}");
        await page.SelectOptionAsync("#component", "");
        await page.Until($"{shown} === {all}");
        await page.Keyboard.PressAsync("Escape");
    }

    private static async Task Searches(IPage page)
    {
        var hits = page.Locator("#hits [role=option]");
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("0.mlp");
        await Assertions.Expect(hits.First).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("ArrowDown");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("svg.base g.node[aria-pressed=true]")).ToHaveCountAsync(1);
        await page.EvaluateAsync("document.activeElement.blur()");
        await page.Keyboard.PressAsync("Escape");
        await page.FillAsync("#search", "0.mlp");
        await hits.First.ClickAsync();
        await Assertions.Expect(page.Locator("svg.base g.node[aria-pressed=true]")).ToHaveCountAsync(1);
        await page.FillAsync("#search", "3.99999");
        await Assertions.Expect(page.Locator("#hits")).ToContainTextAsync("3:99999");
        await page.FillAsync("#search", "");
        await page.EvaluateAsync("document.activeElement.blur()");
        await page.Keyboard.PressAsync("Escape");
        await page.Keyboard.PressAsync("0");
    }

    private static async Task Colours(IPage page)
    {
        await page.ClickAsync("#palette");
        await Assertions.Expect(page.Locator("html[data-palette=safe]")).ToHaveCountAsync(1);
        await page.ClickAsync("#palette");
        var other = page.Locator("#sign button[aria-checked=false]:enabled");
        if (await other.CountAsync() > 0)
        {
            var sign = await other.First.GetAttributeAsync("data-sign");
            await other.First.ClickAsync();
            await Assertions.Expect(page.Locator($"#sign [data-sign={sign}]")).ToHaveAttributeAsync("aria-checked", "true");
        }
        await page.Keyboard.PressAsync("?");
        await Assertions.Expect(page.Locator("#help")).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Escape");
        await page.ClickAsync("#help-open");
        await page.Locator("#help button").ClickAsync();
        var download = await page.RunAndWaitForDownloadAsync(() => page.ClickAsync("#download"));
        Assert.EndsWith(".svg", download.SuggestedFilename);
    }

    /// <summary>Nodes in view, nothing over them, that stand farthest from all others: their numbers and where on the screen they are.
    /// </summary>
    private static async Task<(int Node, float X, float Y)[]> Apart(IPage page, int count)
    {
        var found = await page.EvaluateAsync<float[][]>("""
            count => {
              const view = document.querySelector('#view');
              const all = [...document.querySelectorAll('svg.base g.node[data-node]:not(.gone)')].map(n => {
                const r = n.querySelector('.dot').getBoundingClientRect();
                const at = r.width > 0 ? r : n.querySelector('.box').getBoundingClientRect();
                return { i: Number(n.dataset.node), x: (at.left + at.right) / 2, y: (at.top + at.bottom) / 2,
                  joined: !n.classList.contains('lone') && !n.classList.contains('metric') };
              });
              const free = n => { const e = document.elementFromPoint(n.x, n.y); return e !== null && view.contains(e); };
              const away = n => Math.min(...all.filter(o => o.i !== n.i).map(o => Math.hypot(o.x - n.x, o.y - n.y)));
              return all.filter(n => n.joined && free(n)).map(n => ({ ...n, away: away(n) })).sort((a, b) => b.away - a.away)
                .slice(0, count).map(n => [n.i, n.x, n.y]);
            }
            """, count);
        Assert.Equal(count, found.Length);
        return [.. found.Select(f => ((int)f[0], f[1], f[2]))];
    }
}
