using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>What a reader does with the page.</summary>
internal static class PageActions
{
    public static ILocator Node(this IPage page, int node) => page.Locator($"g.node[data-node='{node}']");

    public static ILocator Panel(this IPage page) => page.Locator("#panel");

    public static ILocator ShownEdges(this IPage page) => page.Locator("path.edge[data-edge]:not(.off)");

    public static ILocator LitEdges(this IPage page) => page.Locator("svg.lit path.beam");

    /// <summary>A box of the subgraph's pane: <c>n:</c> and a node's number, or <c>g:</c> and a group's name.</summary>
    public static ILocator Box(this IPage page, string key) => page.Locator($"[data-box=\"{key}\"]");

    public static ILocator Boxes(this IPage page) => page.Locator("[data-box]");

    /// <summary>A button of that pane.</summary>
    public static ILocator Tool(this IPage page, string name) => page.Locator($"[data-tool=\"{name}\"]");

    /// <summary>Edges of the subgraph's pane that lie behind a box, or leave the board; and how many lead back to a box no higher.
    /// </summary>
    public static async Task<(string[] Faults, int Back)> BoardEdges(this IPage page)
    {
        var found = await page.EvaluateAsync<string[]>("""
            () => {
              const board = document.querySelector('.boxes'), own = board.getBoundingClientRect();
              const boxes = [...board.querySelectorAll('[data-box]')].map(e => ({ key: e.dataset.box, r: e.getBoundingClientRect() }));
              const top = key => boxes.find(b => b.key === key).r.top;
              const faults = [];
              let back = 0;
              for (const path of board.querySelectorAll('path.sum')) {
                if (top(path.dataset.to) >= top(path.dataset.from)) back++;
                const name = `${path.dataset.from} → ${path.dataset.to}`, length = path.getTotalLength();
                for (let at = 0; at <= length; at += 2) {
                  const p = path.getPointAtLength(at), x = p.x + own.left, y = p.y + own.top;
                  const behind = boxes.find(({ r }) => x > r.left + 1 && x < r.right - 1 && y > r.top + 1 && y < r.bottom - 1);
                  if (behind !== undefined) faults.push(`${name} is behind ${behind.key}`);
                  if (x < own.left || x > own.right || y < own.top || y > own.bottom) faults.push(`${name} leaves the board`);
                }
              }
              return [String(back), ...new Set(faults)];
            }
            """);
        return (found[1..], int.Parse(found[0], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Drops a file on the page.</summary>
    public static Task Drop(this IPage page, string name, string text) => page.EvaluateAsync("""
        file => new Promise(done => {
            const data = new DataTransfer();
            data.items.add(new File([file.text], file.name, { type: 'application/json' }));
            document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
            setTimeout(done, 50);
        })
        """, new { name, text });

    /// <summary>Numbers of the edges that are shown.</summary>
    public static async Task<int[]> ShownNumbers(this IPage page) =>
        await page.EvaluateAsync<int[]>("[...document.querySelectorAll('path.edge')].filter(e => getComputedStyle(e).display !== "
            + "'none').map(e => Number(e.dataset.edge))");

    /// <summary>Moves the slider and waits until what it says is drawn: the page does that with the next frame.</summary>
    public static Task Slide(this IPage page, int value, string slider = "threshold") =>
        page.EvaluateAsync("""
            ([id, value]) => new Promise(done => {
                const slider = document.getElementById(id);
                slider.value = value;
                slider.dispatchEvent(new Event('input'));
                requestAnimationFrame(() => requestAnimationFrame(done));
            })
            """, new object[] { slider, value });

    /// <summary>Goes so near that labels can be read.</summary>
    public static Task ZoomToBoxes(this IPage page) => Zoom(page, "+", dots: 0);

    /// <summary>Goes so far away that they cannot.</summary>
    public static Task ZoomToDots(this IPage page) => Zoom(page, "-", dots: 1);

    /// <summary>Waits, frame by frame, until an expression is true.
    /// (Playwright's own waiting evaluates text, which the page's policy forbids.)</summary>
    public static Task Until(this IPage page, string expression) =>
        page.EvaluateAsync(
            $"() => new Promise(done => {{ const look = () => {expression} ? done() : requestAnimationFrame(look); look(); }})");

    /// <summary>How the graph is moved and scaled.</summary>
    public static Task<string> Place(this IPage page) => page.EvaluateAsync<string>("document.querySelector('#world').style.transform");

    /// <summary>A property of an element as it is drawn.</summary>
    public static Task<string> Drawn(this ILocator element, string property) =>
        element.EvaluateAsync<string>("(e, p) => getComputedStyle(e).getPropertyValue(p)", property);

    private static async Task Zoom(IPage page, string key, int dots)
    {
        for (var i = 0; i < 20 && await page.Locator("svg.base.dots").CountAsync() != dots; i++)
        {
            await page.Keyboard.PressAsync(key);
            // it is painted anew when at rest
            await page.Until("document.querySelector('#world').style.transform.endsWith('scale(1)')");
        }
        await Assertions.Expect(page.Locator("svg.base.dots")).ToHaveCountAsync(dots);
    }
}
