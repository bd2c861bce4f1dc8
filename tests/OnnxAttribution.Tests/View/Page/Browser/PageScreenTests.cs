using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

[Collection(PageCollection.Name)]
public sealed class PageScreenTests(PageBrowser browser, ExamplePages pages)
{
    private const string Sideways = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth";

    [Theory, InlineData(1400, 900), InlineData(1024, 700), InlineData(390, 844), InlineData(320, 568)]
    public Task Nothing_hangs_over_the_edge_of_the_screen(int width, int height) => browser.Visit(pages.File, async page =>
    {
        Assert.InRange(await page.EvaluateAsync<double>(Sideways), -100, 0);
        var outside = await page.EvaluateAsync<string[]>("[...document.querySelectorAll('#header > *, #tools > *, #actions > *, #stage, "
            + "#legend > .item, #zoom > *')].filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + "
            + "1).map(e => e.outerHTML.slice(0, 60))");
        Assert.Empty(outside);
        Assert.True((await page.Locator("#view").BoundingBoxAsync())!.Height > 150);
    }, new(width, height));

    [Fact]
    public Task On_a_phone_the_panel_is_a_sheet_that_opens_by_its_handle_and_with_a_pin() => browser.Visit(pages.File, async page =>
    {
        var (sheet, handle) = (page.Locator("#sheet"), page.Locator("#handle"));
        await Assertions.Expect(sheet).ToBeHiddenAsync();
        await handle.TapAsync();
        await Assertions.Expect(sheet).ToContainTextAsync("Strongest nodes");
        await sheet.Locator("button[data-to]").First.TapAsync();
        await Assertions.Expect(sheet).ToContainTextAsync("Unpin");
        var pinned = await page.Locator("g.node[aria-pressed=true]").BoundingBoxAsync();
        var panel = (await page.Panel().BoundingBoxAsync())!;
        Assert.InRange(pinned!.Y, 0, panel.Y);
        Assert.InRange(panel.Y + panel.Height, 0, 845);
        await handle.TapAsync();
        await Assertions.Expect(sheet).ToBeHiddenAsync();
    }, new(390, 844, Touch: true));

    [Fact]
    public Task A_finger_beside_a_dot_means_it_and_one_on_the_ground_lets_go() => browser.Visit(pages.File, async page =>
    {
        var node = pages.Picture.Metric;   // at the top, so that the graph stays where it is
        var dot = (await page.Node(node).Locator(".dot").BoundingBoxAsync())!;
        Assert.True(dot.Width < 8);
        await page.Touchscreen.TapAsync(dot.X + (dot.Width / 2), dot.Y + (dot.Height / 2) + 1);
        await Assertions.Expect(page.Node(node)).ToHaveAttributeAsync("aria-pressed", "true");
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        await page.Touchscreen.TapAsync(view.X + 60, view.Y + 15);   // nothing is early and late at once
        await Assertions.Expect(page.Locator("g.node[aria-pressed=true]")).ToHaveCountAsync(0);
    }, new(390, 844, Touch: true));

    [Fact]
    public Task On_a_wide_screen_the_panel_stands_beside_the_graph() => browser.Visit(pages.File, async page =>
    {
        var (stage, panel) = ((await page.Locator("#stage").BoundingBoxAsync())!, (await page.Panel().BoundingBoxAsync())!);
        Assert.InRange(panel.X, stage.X + stage.Width - 1, 1400);
        Assert.True(stage.Width > 900);
    });

    [Theory, InlineData("theme=light"), InlineData("theme=dark"), InlineData("theme=light&colours=safe"),
        InlineData("theme=dark&colours=safe")]
    public Task Every_text_stands_out_from_its_ground_by_4_5_to_1(string hash) => browser.Visit(pages.File, async page =>
    {
        await page.ZoomToBoxes();
        await page.Node(pages.Picture.Edges[0].Up).FocusAsync();
        Assert.Empty(await page.EvaluateAsync<string[]>(Contrast));
    }, new(Hash: hash));

    [Fact]
    public Task A_printed_page_has_the_panel_below_the_graph_and_no_buttons() => browser.Visit(pages.File, async page =>
    {
        await page.EmulateMediaAsync(new() { Media = Media.Print });
        await Assertions.Expect(page.Locator("#tools")).ToBeHiddenAsync();
        var (stage, panel) = ((await page.Locator("#stage").BoundingBoxAsync())!, (await page.Panel().BoundingBoxAsync())!);
        Assert.True(panel.Y >= stage.Y + stage.Height - 1);
    });

    [Fact]
    public Task Where_less_motion_is_wanted_nothing_glides() => browser.Visit(pages.File, async page =>
    {
        var (before, atOnce) = await Nearer(page);
        Assert.NotEqual(before, atOnce);
        Assert.Equal("0s", await page.Locator("svg.base").Drawn("transition-duration"));
    });

    [Fact]
    public Task Elsewhere_the_graph_glides_to_where_it_is_sent() => browser.Visit(pages.File, async page =>
    {
        var (before, atOnce) = await Nearer(page);
        Assert.Equal(before, atOnce);
        await page.Until($"document.querySelector('#world').style.transform !== '{before}'");
        Assert.NotEqual("0s", await page.Locator("svg.base").Drawn("transition-duration"));
    }, new(Glides: true));

    /// <summary>Where the graph is before the key that brings it nearer, and when it has been heard, with no frame in between:
    /// on a busy machine the page may still be fitting the graph to the screen.</summary>
    private static async Task<(string Before, string AtOnce)> Nearer(IPage page)
    {
        var places = await page.EvaluateAsync<string[]>(
            "() => { const place = () => document.querySelector('#world').style.transform; const before = place(); "
            + "document.dispatchEvent(new KeyboardEvent('keydown', { key: '+' })); return [before, place()]; }");
        return (places[0], places[1]);
    }

    /// <summary>Texts and names with characters that hide, break a line or turn the direction.</summary>
    internal const string Hidden = """
        () => {
          const hidden = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u;
          const found = hidden.test(document.title) ? ['the title'] : [];
          const all = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
          for (let n = all.nextNode(); n; n = all.nextNode()) {
            if (n.nodeType === Node.TEXT_NODE) {
              // the page's own line ends lie between its elements
              if (!n.parentElement.closest('script, style, noscript, textarea') && hidden.test(n.data.replace(/\n\s*/g, '')))
                found.push(n.parentElement.outerHTML.slice(0, 100));
            } else for (const a of n.attributes)
              if (['title', 'aria-label', 'aria-valuetext', 'alt'].includes(a.name) && hidden.test(a.value))
                found.push(`${a.name} ${a.value}`);
          }
          return found;
        }
        """;

    // WCAG's relative luminance; the ground is the next opaque background,
    // or the box behind a node's label; hatched boxes count as their lines
    internal const string Contrast = """
        () => {
          const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
          const parts = colour => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
          const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] / 255 + under[i] * (1 - top[3] / 255));
          const ground = e => {
            if (!e) return parts(getComputedStyle(document.body).backgroundColor);
            const c = parts(getComputedStyle(e).backgroundColor);
            return c[3] === 255 ? c : over(c, ground(e.parentElement));
          };
          const wrong = [];
          for (const e of document.querySelectorAll('body *')) {
            const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
            if (!own || !e.getClientRects().length || e.closest('svg, script, style, noscript, :disabled')) continue;
            const r = ratio(parts(getComputedStyle(e).color), ground(e));
            if (r < 4.5) wrong.push(`${e.tagName}.${e.className} '${e.textContent.slice(0, 20)}' ${r.toFixed(2)}`);
          }
          // of a large graph those far from the view are dots
          for (const g of document.querySelectorAll('svg.base g.node:has(.box)')) {
            const fill = getComputedStyle(g.querySelector('.box')).fill;
            const hatch = /url\("?(#[\w-]+)/.exec(fill);
            const under = hatch ? getComputedStyle(document.querySelector(hatch[1] + ' .hatch-line')).fill : fill;
            const r = ratio(parts(getComputedStyle(g.querySelector('text')).fill), parts(under));
            if (r < 4.5) wrong.push(`node ${g.getAttribute('class')} ${r.toFixed(2)}`);
          }
          return wrong;
        }
        """;
}
