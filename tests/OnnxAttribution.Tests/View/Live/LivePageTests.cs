using Microsoft.Playwright;
using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.View.Page.Browser;

namespace OnnxAttribution.Tests.View.Live;

/// <summary>Pages in which the model runs: what they say is what the library says of the same edits.</summary>
[Collection(PageCollection.Name)]
public sealed class LivePageTests(PageBrowser browser, LivePages pages)
{
    private const string Until = "Number(document.documentElement.dataset.live) > {0}";

    [Fact]
    public Task An_edit_has_the_exact_effect_that_the_library_finds() => browser.Visit(pages.File, async page =>
    {
        var node = pages.Strongest(0);
        await Ready(page);
        await Expect(page, "p.value", pages.Metric([]));
        await Edit(page, node);
        await Expect(page, "p.value .after", pages.Metric([(node, 0, 0, false)]));
        Assert.Equal(pages.Node(node).ExactEffect, pages.Metric([(node, 0, 0, false)]) - pages.Metric([]), 3);
        await Fill(page, "2.5");
        await Expect(page, "p.value .after", pages.Metric([(node, 2.5f, 0, false)]));
        await Change(page, () => page.Locator("#live select").SelectOptionAsync("set"));
        await Expect(page, "p.value .after", pages.Metric([(node, 0, 2.5f, false)]));
        await Change(page, () => page.Locator("#live .edits input[type='checkbox']").CheckAsync());
        await Expect(page, "p.value .after", pages.Metric([(node, 0, 2.5f, true)]));
    });

    [Fact]
    public Task Edits_of_several_features_are_made_together_and_move_the_others() => browser.Visit(pages.File, async page =>
    {
        await Ready(page);
        int[] nodes = [pages.Strongest(0), pages.Strongest(3)];
        foreach (var node in nodes) await Edit(page, node);
        await Expect(page, "p.value .after", pages.Metric([(nodes[0], 0, 0, false), (nodes[1], 0, 0, false)]));
        var rows = page.Locator("#live table.changes tbody tr");
        await Assertions.Expect(page.Locator("#live table.changes tr.edited")).ToHaveCountAsync(2);
        var moved = pages.Activations([(nodes[0], 0, 0, false), (nodes[1], 0, 0, false)]);
        for (var i = 0; i < 20; i++)
        {
            var cells = await rows.Nth(i).Locator("td").AllTextContentsAsync();
            var (before, after) = moved[await rows.Nth(i).Locator("button").TextContentAsync() ?? ""];
            Assert.Equal(before, Number(cells[1]), 1e-3 * Math.Max(1, Math.Abs(before)));
            Assert.Equal(after, Number(cells[2]), 1e-3 * Math.Max(1, Math.Abs(after)));
        }
        await Change(page, () => page.Locator("#live .remove").First.ClickAsync());
        await Expect(page, "p.value .after", pages.Metric([(nodes[1], 0, 0, false)]));
        await Change(page, () => page.Locator("#live .reset").ClickAsync());
        await Expect(page, "p.value .after", pages.Metric([]));
        await Assertions.Expect(page.Locator("#live .edits .none")).ToHaveCountAsync(1);
    });

    [Theory, InlineData(1400, "light"), InlineData(390, "dark")]
    public async Task Edits_and_prompt_stand_in_the_address_come_back_and_are_undone(int width, string theme)
    {
        var (node, hash) = (pages.Strongest(0), "");
        var how = new PageVisit(width, Hash: $"theme={theme}&pin={pages.Node(node).Spelling}");
        await browser.Visit(pages.File, async page =>
        {
            await Ready(page, width);
            // by keyboard alone
            await page.Locator("#live .add").FocusAsync();
            await Change(page, () => page.Keyboard.PressAsync("Enter"));
            await Assertions.Expect(page.Locator("#live .edits input[type='number']")).ToBeFocusedAsync();
            await Expect(page, "p.value .after", pages.Metric([(node, 0, 0, false)]));
            await page.Keyboard.PressAsync("Control+a");
            await Change(page, () => page.Keyboard.InsertTextAsync("2.5"));
            await Expect(page, "p.value .after", pages.Metric([(node, 2.5f, 0, false)]));
            await Change(page, () => page.Locator("#live textarea").FillAsync("Copyright [C"));
            await page.Until("location.hash.includes('prompt=') && location.hash.includes('edit=')");
            hash = (await page.EvaluateAsync<string>("location.hash"))[1..];
            Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Contrast));
            Assert.Empty(await page.EvaluateAsync<string[]>(PageScreenTests.Hidden));
            await page.EvaluateAsync("document.activeElement.blur()");
            await Change(page, () => page.Keyboard.PressAsync("Control+z"));
            await Expect(page, "p.value .after", pages.Metric([(node, 2.5f, 0, false)]));
            await Change(page, () => page.Keyboard.PressAsync("Control+z"));
            await Expect(page, "p.value .after", pages.Metric([(node, 0, 0, false)]));
            await Change(page, () => page.Keyboard.PressAsync("Control+z"));
            await Expect(page, "p.value .after", pages.Metric([]));
            await Assertions.Expect(page.Locator("#live .edits .none")).ToHaveCountAsync(1);
            await Change(page, () => page.Keyboard.PressAsync("Control+Shift+Z"));
            await Expect(page, "p.value .after", pages.Metric([(node, 0, 0, false)]));
        }, how);
        await browser.Visit(pages.File, async page =>
        {
            await Ready(page, width);
            await Expect(page, "p.value .after", pages.Metric([(node, 2.5f, 0, false)], "Copyright [C"));
            Assert.Equal("Copyright [C", await page.Locator("#live textarea").InputValueAsync());
        }, how with { Hash = hash });
    }

    [Fact]
    public Task A_group_and_all_pins_are_edited_as_one()
    {
        int[] nodes = [pages.Strongest(0), pages.Strongest(2), pages.Strongest(4)];
        string[] names = [.. nodes.Select(n => pages.Node(n).Spelling)];
        return browser.Visit(pages.File, async page =>
        {
            await Ready(page);
            var wholes = page.Locator("#live .whole");
            Assert.Equal(["Edit a <b>group", "Edit 3 pins"], await wholes.AllTextContentsAsync());
            await Change(page, () => wholes.First.ClickAsync());
            await Expect(page, "p.value .after", pages.Metric([(nodes[0], 0, 0, false), (nodes[1], 0, 0, false)]));
            await Fill(page, "0.5");
            await Expect(page, "p.value .after", pages.Metric([(nodes[0], 0.5f, 0, false), (nodes[1], 0.5f, 0, false)]));
            await Change(page, () => page.Locator("#live .remove").ClickAsync());
            await Change(page, () => wholes.Last.ClickAsync());
            await Expect(page, "p.value .after", pages.Metric([.. nodes.Select(n => (n, 0f, 0f, false))]));
            await Assertions.Expect(page.Locator("#live table.changes tr.edited")).ToHaveCountAsync(3);
        }, new(Hash: $"pins={string.Join(',', names)}&group={names[0]},{names[1]}|a%20%3Cb%3Egroup"));
    }

    [Fact]
    public Task In_a_patch_run_an_edit_sets_the_patch_value()
    {
        var picture = pages.Patched;
        var (node, n) = picture.Nodes.Index().Where(n => n.Item is { IsMetric: false, IsError: false } && !float.IsNaN(n.Item.ExactEffect))
            .MaxBy(n => Math.Abs(n.Item.ExactEffect));
        return browser.Visit(pages.PatchedFile, async page =>
        {
            await Ready(page);
            await Edit(page, node);
            await Assertions.Expect(page.Locator("#live .edits select option:checked")).ToHaveTextAsync("set to patch value");
            await Expect(page, "p.value .after", pages.Metric([(node, 0, n.PatchActivation, false)], of: picture));
            var moved = pages.Metric([(node, 0, n.PatchActivation, false)], of: picture);
            Assert.Equal(n.ExactEffect, moved - pages.Metric([], of: picture), 3);
            await Change(page, () => page.Locator("#live select").SelectOptionAsync("scale"));
            await Expect(page, "p.value .after", pages.Metric([(node, 0, 0, false)], of: picture));
        });
    }

    [Fact]
    public Task Without_a_patch_run_an_address_sets_nothing_to_its_patch_value() => browser.Visit(pages.File, async page =>
    {
        await Ready(page);
        await Assertions.Expect(page.Locator("#live .edits .none")).ToHaveCountAsync(1);
        await Assertions.Expect(page.Locator("#live .edits select")).ToHaveCountAsync(0);
    }, new(Hash: $"edit={pages.Node(pages.Strongest(0)).Spelling}|patch|0|"));

    [Fact]
    public Task Another_prompt_is_tokenized_and_run() => browser.Visit(pages.File, async page =>
    {
        await Ready(page);
        foreach (var prompt in (string[])["Copyright [C", "Permission is hereby", "naïve 日本"])
        {
            await Change(page, () => page.Locator("#live textarea").FillAsync(prompt));
            await Expect(page, "p.value .after", pages.Metric([], prompt));
            var shown = await page.Locator("#live-tokens .token").AllTextContentsAsync();
            Assert.Equal(pages.Model.Tokenizer.Encode(prompt).Length + 1, shown.Count);
        }
        await page.Locator("#live textarea").FillAsync("");
        await Assertions.Expect(page.Locator("#live .fault")).ToContainTextAsync("give the prompt some text");
        await page.Locator("#live textarea").FillAsync(string.Concat(Enumerable.Repeat(" the", 200)));
        await Assertions.Expect(page.Locator("#live .fault")).ToContainTextAsync("the model's context holds 128; shorten it");
    });

    [Fact]
    public Task The_next_tokens_are_the_models() => browser.Visit(pages.File, async page =>
    {
        await Ready(page);
        await Edit(page, pages.Strongest(0));
        var logits = pages.Logits([(pages.Strongest(0), 0, 0, false)], null);
        var top = Metric.Top(logits, 3);
        var rows = page.Locator("#live table.next tbody tr");
        for (var i = 0; i < 3; i++)
        {
            var cells = await rows.Nth(i).Locator("td").AllTextContentsAsync();
            Assert.Equal(pages.Model.TokenText(top[i].Token).Replace(' ', '·'), cells[0]);
            Assert.Equal(100 * top[i].Probability, Number(cells[2].TrimEnd(' ', '%')), 0.1);
        }
    });

    [Fact]
    public Task On_a_small_screen_it_opens_on_request() => browser.Visit(pages.File, async page =>
    {
        await Ready(page);
        await Assertions.Expect(page.Locator("#live textarea")).ToBeHiddenAsync();
        await page.Locator("#live summary").ClickAsync();
        await Assertions.Expect(page.Locator("#live textarea")).ToBeVisibleAsync();
        Assert.True(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"));
    }, new PageVisit(Width: 390));

    [Fact]
    public async Task A_folder_says_the_same_by_scripts_beside_it()
    {
        await browser.Visit(pages.Folder, async page =>
        {
            await Ready(page);
            await Expect(page, "p.value", pages.Metric([]));
        }, new PageVisit(IsFolder: true));
        Assert.True(Directory.GetFiles(Path.GetDirectoryName(pages.Folder)!, "weights-*.js").Length > 0);
    }

    [Fact]
    public async Task A_folder_that_lacks_a_script_says_which()
    {
        using var directory = new TemporaryDirectory();
        var folder = Directory.CreateDirectory(directory["apart"]).FullName;
        File.Copy(pages.Folder, Path.Combine(folder, "index.html"));
        await browser.Complaints(Path.Combine(folder, "index.html"), async page =>
        {
            await Assertions.Expect(page.Locator("#live-wait")).ToContainTextAsync(
                "the model could not be opened: Error: weights-000.js is not beside this page; keep the folder together");
            await Assertions.Expect(page.Locator("html[data-live=failed]")).ToHaveCountAsync(1);
            // the page is a page all the same
            await Assertions.Expect(page.Locator("html[data-ready]")).ToHaveCountAsync(1);
        });
    }

    private static async Task Ready(IPage page, int width = 1400)
    {
        await page.Until("document.documentElement.dataset.live === '1'");
        if (width < 900) await page.Locator("#live summary").ClickAsync();
    }

    // pins a node by the address and edits its feature: times 0
    private async Task Edit(IPage page, int node)
    {
        await page.Node(node).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Change(page, () => page.Locator("#live .add").ClickAsync());
    }

    private static Task Fill(IPage page, string number) =>
        Change(page, () => page.Locator("#live .edits input[type='number']").Last.FillAsync(number));

    private static async Task Change(IPage page, Func<Task> gesture)
    {
        var before = await page.EvaluateAsync<string>("document.documentElement.dataset.live");
        await gesture();
        await page.Until(string.Format(System.Globalization.CultureInfo.InvariantCulture, Until, before));
    }

    private static async Task Expect(IPage page, string element, double metric)
    {
        var text = await page.Locator($"#live {element}").Last.TextContentAsync();
        var number = element.EndsWith("value", StringComparison.Ordinal) ? text!.Split('→')[1].Split('(')[0] : text!;
        Assert.Equal(metric, Number(number), 2e-3 * Math.Max(1, Math.Abs(metric)));
    }

    private static double Number(string text) =>
        double.Parse(text.Trim().Replace("−", "-").Replace("+", "").Replace(",", ""), System.Globalization.CultureInfo.InvariantCulture);
}
