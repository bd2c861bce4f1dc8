using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

// pins, groups, labels and notes
public sealed partial class PageGestureTests
{
    /// <summary>Two pins by mouse and one by key become a group and a node, with a label and a note; the file that is saved is read again.
    /// </summary>
    /// <returns>The address' fragment then.</returns>
    private static async Task<string> Groups(IPage page)
    {
        var nodes = await Pins(page);
        await Name(page, nodes);
        Assert.Equal(0, await page.Locator("img").CountAsync());
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Hidden));
        Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
        Assert.Empty((await page.BoardEdges()).Faults);
        await page.Until("location.hash.includes('notes=')");
        var hash = (await page.EvaluateAsync<string>("location.hash"))[1..];
        var download = await page.RunAndWaitForDownloadAsync(() => page.Tool("Save").ClickAsync());
        var text = await File.ReadAllTextAsync(await download.PathAsync());
        await page.EvaluateAsync("document.activeElement.blur()");
        for (var i = 0; i < 3; i++) await page.Keyboard.PressAsync("Control+z");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(4);
        await page.Drop("subgraph.json", text);
        await Assertions.Expect(page.Box($"g:{Hostile}")).ToHaveCountAsync(1);
        return hash;
    }

    private static async Task<int[]> Pins(IPage page)
    {
        var chosen = page.Locator("svg.base g.node.chosen[data-node]");
        var nodes = await Apart(page, 3);
        foreach (var (_, x, y) in nodes[..2])
        {
            await page.Keyboard.DownAsync("Control");
            await page.Mouse.ClickAsync(x, y);
            await page.Keyboard.UpAsync("Control");
        }
        await page.Node(nodes[2].Node).FocusAsync();
        await page.Keyboard.PressAsync("p");
        await Assertions.Expect(chosen).ToHaveCountAsync(3);
        await page.EvaluateAsync("document.activeElement.blur()");
        await Rectangle(page);
        await page.Keyboard.PressAsync("Control+z");
        await Assertions.Expect(chosen).ToHaveCountAsync(3);
        await page.Keyboard.PressAsync("s");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(4);
        return [.. nodes.Select(n => n.Node)];
    }

    private static async Task Name(IPage page, int[] nodes)
    {
        await page.Box($"n:{nodes[0]}").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Box($"n:{nodes[1]}").ClickAsync();
        await page.Keyboard.PressAsync("g");
        await Assertions.Expect(page.Locator(".sg-ask input")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Control+a");
        await page.Keyboard.InsertTextAsync(Hostile);
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Box($"g:{Hostile}")).ToHaveCountAsync(1);
        await page.Box($"n:{nodes[2]}").FocusAsync();
        await page.Keyboard.PressAsync("l");
        await page.Keyboard.InsertTextAsync(Hostile);
        await page.Keyboard.PressAsync("Enter");
        await page.Tool("Notes").ClickAsync();
        await page.Keyboard.InsertTextAsync(Hostile);
    }

    // the upper half, with Shift and with R
    private static async Task Rectangle(IPage page)
    {
        var view = (await page.Locator("#view").BoundingBoxAsync())!;
        var before = await page.Locator("svg.base g.node.chosen[data-node]").CountAsync();
        async Task Draw()
        {
            await page.Mouse.MoveAsync(view.X + view.Width - 2, view.Y + 2);
            await page.Mouse.DownAsync();
            await page.Mouse.MoveAsync(view.X + 60, view.Y + (view.Height * 0.6f), new() { Steps = 3 });
            await page.Mouse.UpAsync();
            await page.Until($"document.querySelectorAll('svg.base g.node.chosen[data-node]').length > {before}");
        }
        await page.Keyboard.DownAsync("Shift");
        await Draw();
        await page.Keyboard.UpAsync("Shift");
        await page.Keyboard.PressAsync("Control+z");
        await page.Keyboard.PressAsync("r");
        await Draw();
    }

    private static async Task Undoes(IPage page)
    {
        await page.Box($"g:{Hostile}").FocusAsync();
        await page.Keyboard.PressAsync("p");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(2);
        await page.Keyboard.PressAsync("Control+z");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(3);
        await page.Keyboard.PressAsync("Control+Shift+Z");
        await Assertions.Expect(page.Boxes()).ToHaveCountAsync(2);
    }
}
