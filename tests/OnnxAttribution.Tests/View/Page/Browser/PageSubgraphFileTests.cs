using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Chosen nodes in the address, in files, and in what <c>ablate</c> takes and gives.</summary>
[Collection(PageCollection.Name)]
public sealed class PageSubgraphFileTests(PageBrowser browser, ExamplePages pages) : IDisposable
{
    private const string Hostile = "</script><img src=x onerror=alert(1)> \u202e|x";

    private readonly TemporaryDirectory _directory = new();

    private RunPicture Picture => pages.Picture;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_address_and_the_saved_file_hold_all_of_it_whatever_the_words()
    {
        var chosen = Chosen(3);
        var (hash, file) = ("", _directory["subgraph.json"]);
        await browser.Visit(pages.File, async page =>
        {
            foreach (var i in chosen) await page.Node(i).ClickAsync(new() { Modifiers = [KeyboardModifier.Control] });
            await page.Keyboard.PressAsync("s");
            await page.Box($"n:{chosen[0]}").ClickAsync();
            await page.Keyboard.PressAsync("g");
            await page.Keyboard.InsertTextAsync(Hostile);
            await page.Keyboard.PressAsync("Enter");
            await page.Box($"n:{chosen[1]}").FocusAsync();
            await page.Keyboard.PressAsync("l");
            await page.Keyboard.InsertTextAsync(Hostile);
            await page.Keyboard.PressAsync("Enter");
            await page.GetByRole(AriaRole.Button, new() { Name = "Notes" }).ClickAsync();
            await page.Keyboard.InsertTextAsync($"{Hostile}\nof two lines");
            await AssertHolds(page, chosen);
            await page.Until("location.hash.includes('notes=')");
            hash = await page.EvaluateAsync<string>("location.hash.slice(1)");
            var download = await page.RunAndWaitForDownloadAsync(() => page.Tool("Save").ClickAsync());
            Assert.Equal("subgraph.json", download.SuggestedFilename);
            await download.SaveAsAsync(file);
        });
        await browser.Visit(pages.File, page => AssertHolds(page, chosen), new(Hash: hash));
        AssertSaved(chosen, file);
        await AssertOpened(chosen, file);
    }

    // what C# reads is what the page holds
    private void AssertSaved(int[] chosen, string file)
    {
        var saved = SubgraphReader.Read(file);
        Assert.Equal(Path.GetFullPath(Picture.Path), saved.Run!.Path);
        Assert.Equal(chosen.Select(Name), saved.Pins.Select(p => p.Spelling));
        Assert.Equal((Hostile, $"{Hostile}\nof two lines"), (saved.Groups.Single().Name, saved.Notes));
        Assert.Equal(Hostile, saved.LabelOf(Picture.Nodes[chosen[1]].Site!.Name, Picture.Nodes[chosen[1]].Feature));
        Assert.True(saved.Run!.CanBe(RunDirectory.ReadRecord(pages.Run)));
        Assert.Equal(pages.Run, saved.Run.Path);
    }

    private async Task AssertOpened(int[] chosen, string file)
    {
        await browser.Visit(pages.File, async page =>
        {
            await page.Drop("subgraph.json", File.ReadAllText(file));
            await AssertHolds(page, chosen);
            await page.Keyboard.PressAsync("Control+z");
            Assert.Empty(await Pinned(page));
        });
        // and what C# writes into a page is there at first, unless the address says otherwise
        var drawn = _directory["with.html"];
        Verb.Run("view", pages.Run, "--subgraph", file, "--out", drawn).Done();
        await browser.Visit(drawn, page => AssertHolds(page, chosen));
        await browser.Visit(drawn, async page => Assert.Empty(await Pinned(page)), new(Hash: "pins="));
        // by way of graph JSON too
        Verb.Run("view", pages.Run, "--subgraph", file, "--out", _directory["graph.json"]).Done();
        await browser.Visit(pages.File, async page =>
        {
            await page.Drop("graph.json", File.ReadAllText(_directory["graph.json"]));
            await AssertHolds(page, chosen);
        });
    }

    [Theory]
    [InlineData("{", "it is no JSON")]
    [InlineData("{}", "it has no \"format\"")]
    [InlineData("""{~, "pins": ["<img src=x>"]}""", "pin 1 is '<img src=x>', which is no node")]
    [InlineData("""{~, "pins": [], "groups": [{"name": "a", "nodes": ["0:1"]}, {"name": "a", "nodes": ["0:2"]}]}""", "named 'a'")]
    [InlineData("""{~, "pins": [], "labels": {"0:1@2": "x"}}""", "without a position")]
    [InlineData("""{~, "pins": [], "more": 1}""", "none of format")]
    [InlineData("""{"qParams": {}, "nodes": []}""", "no graph that 'view' wrote")]
    [InlineData("""{"taken_from_run": null, "prompts": []}""", "it has no groups")]
    public Task What_is_none_is_told_and_changes_nothing(string text, string words) => browser.Visit(pages.File, async page =>
    {
        await page.Node(Chosen(1)[0]).ClickAsync(new() { Modifiers = [KeyboardModifier.Control] });
        await page.Drop("dropped.json",
            text.Replace("~", "\"format\": \"onnx-attribution subgraph\", \"version\": 1", StringComparison.Ordinal));
        await Assertions.Expect(page.Locator(".sg-said")).ToContainTextAsync("dropped.json is not read: ");
        await Assertions.Expect(page.Locator(".sg-said")).ToContainTextAsync(words);
        Assert.Equal(Chosen(1), await Pinned(page));
    });

    [Fact]
    public Task Nodes_that_are_not_drawn_and_another_run_are_told() => browser.Visit(pages.File, async page =>
    {
        await page.Drop("other.json", $$"""
            {"format": "onnx-attribution subgraph", "version": 1, "run": {"finished_at": "2001-01-01T00:00:00Z"},
             "pins": ["{{Name(Chosen(1)[0])}}", "0:1@77"]}
            """);
        await Assertions.Expect(page.Locator(".sg-said"))
            .ToHaveTextAsync("other.json: 1 node, 0 groups, saved from another run; not drawn here and left out: 0:1@77.");
        Assert.Equal(Chosen(1), await Pinned(page));
    });

    [Fact]
    public Task The_result_of_ablate_is_shown_beside_the_estimate_until_the_group_changes() => browser.Visit(pages.File, async page =>
    {
        var chosen = Chosen(3);
        var file = Path.Combine(pages.Run, "subgraph.json");
        var subgraph = new Subgraph([.. chosen.Select(i => FeatureName.ParseNode(Name(i)))],
            [new("pair", [.. chosen[..2].Select(i => FeatureName.ParseNode(Name(i)))])], [], "");
        using (var output = File.Create(file)) SubgraphFile.Write(subgraph, output);
        var result = Verb.Run("ablate", "--circuit", file, "--controls", "0", "--json").Done().Output;
        var effects = JsonNode.Parse(result)!["groups"]!.AsArray().ToDictionary(g => (string)g!["name"]!, g => (double)g!["effect"]!);
        await page.Drop("subgraph.json", File.ReadAllText(file));
        File.Delete(file);
        await page.Drop("ablated.json", result);
        await Assertions.Expect(page.Locator(".sg-said")).ToHaveTextAsync("ablated.json: 2 measured effects.");
        await Assertions.Expect(page.Box("g:pair")).ToContainTextAsync($"measured {Four(effects["pair"])}");
        await Assertions.Expect(page.Box($"n:{chosen[2]}")).ToContainTextAsync($"measured {Four(effects[Name(chosen[2])])}");
        // of the group with one more nothing is measured
        await page.Box("g:pair").ClickAsync();
        await page.Box($"n:{chosen[2]}").ClickAsync();
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Box("g:pair")).ToContainTextAsync("3 nodes");
        await Assertions.Expect(page.Box("g:pair")).Not.ToContainTextAsync("measured");
    });

    [Fact]
    public Task The_selection_is_copied_as_a_command_that_runs() => browser.Visit(pages.File, async page =>
    {
        var chosen = Chosen(2);
        foreach (var i in chosen) await page.Node(i).ClickAsync(new() { Modifiers = [KeyboardModifier.Control] });
        await page.Keyboard.PressAsync("s");
        await page.Tool("Copy as command").ClickAsync();
        var line = await page.Locator("#subgraph-command").TextContentAsync();
        Assert.StartsWith($"onnx-attribution ablate --model {Repository.TinyModel} --prompt 'Copyright (C' --target ')'", line);
        var words = Words(line!);
        Assert.Equal(chosen.Select(Name).Order(), words[^1].Split(';').SelectMany(piece => piece.Split(':')[1].Split(',')
            .Select(unit => $"{piece.Split(':')[0]}:{unit}")).Order());
        var clean = (double)JsonNode.Parse(Verb.Run([.. words.Skip(1), "--controls", "0", "--json"]).Done().Output)!["prompts"]![0]![
            "clean_metric"]!;
        Assert.Equal(Picture.Header.CleanMetric, clean, 1e-3);
        // of one selected box that alone; with groups, and nothing selected, the file's
        await page.Box($"n:{chosen[0]}").ClickAsync();
        await page.Tool("Copy as command").ClickAsync();
        await Assertions.Expect(page.Locator("#subgraph-command")).ToContainTextAsync($"--circuit '{Name(chosen[0])}'");
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.TypeAsync("x");
        await page.Keyboard.PressAsync("Enter");
        await page.Box("g:x").ClickAsync();
        await page.Tool("Copy as command").ClickAsync();
        await Assertions.Expect(page.Locator("#subgraph-command"))
            .ToHaveTextAsync("onnx-attribution ablate --circuit subgraph.json --json > ablated.json");
    });

    // the strongest features whose exact effect is known too, of one site each
    private int[] Chosen(int count) => [.. Enumerable.Range(0, Picture.Nodes.Count)
        .Where(i => Picture.Nodes[i] is { IsMetric: false, IsError: false } n && !float.IsNaN(n.ExactEffect)
            && Picture.Edges.Take(250).Any(e => e.Up == i || e.Down == i))
        .OrderByDescending(i => Math.Abs(Picture.Nodes[i].Effect)).DistinctBy(i => Picture.Nodes[i].Site).Take(count)];

    private string Name(int i) => FeatureName.Of(Picture.Nodes[i].Site!, Picture.Nodes[i].Feature, Picture.Nodes[i].Position);

    private async Task AssertHolds(IPage page, int[] chosen)
    {
        Assert.Equal(chosen.Order(), await Pinned(page));
        await Assertions.Expect(page.Locator(".sg-box.group .sg-name b")).ToHaveTextAsync(Hostile.Replace('\u202e', '\ufffd'));
        await Assertions.Expect(page.Box($"n:{chosen[1]}").Locator(".sg-label")).ToHaveTextAsync(Hostile.Replace('\u202e', '\ufffd'));
        Assert.Equal(2, await page.Locator("script, img, iframe, object, embed, link, base").CountAsync());   // the data and the script
        if (!await page.Locator("#notes").IsVisibleAsync()) await page.Tool("Notes").ClickAsync();
        Assert.Equal($"{Hostile}\nof two lines", await page.Locator("#notes").InputValueAsync());
        await page.EvaluateAsync("document.activeElement.blur()");
    }

    private static async Task<int[]> Pinned(IPage page) => [.. (await page.Locator("g.node.chosen[data-node]")
        .EvaluateAllAsync<int[]>("nodes => nodes.map(n => Number(n.dataset.node))")).Order()];

    // as a POSIX shell cuts it
    private static string[] Words(string line)
    {
        var (words, word, quoted) = (new List<string>(), "", false);
        foreach (var c in line)
        {
            if (c == '\'')
            {
                quoted = !quoted;
            }
            else if (c == ' ' && !quoted)
            {
                words.Add(word);
                word = "";
            }
            else
            {
                word += c;
            }
        }
        return [.. words, word];
    }

    // as the page writes it
    private static string Four(double value) =>
        double.Parse(value.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var five
            && double.Parse(five.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) is var four
            ? four.ToString("#,0.######", CultureInfo.InvariantCulture).Replace('-', '−') : "";
}
