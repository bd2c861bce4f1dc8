using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using OnnxAttribution.Attribution;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>A page of two runs: which of them has a node or an edge, and what it does in each.</summary>
[Collection(PageCollection.Name)]
public sealed class PageComparisonTests : IDisposable
{
    // of each edge the colours, red, green and blue, at points along it, and at how many of them nothing is painted
    private const string Painted = """
        () => {
          const canvas = document.querySelector('#strokes'), base = document.querySelector('svg.base');
          const pixels = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
          pixels.drawImage(canvas, 0, 0);
          const at = new DOMMatrix(getComputedStyle(canvas).transform), scale = base.width.baseVal.value / base.viewBox.baseVal.width;
          return [...document.querySelectorAll('path.edge')].map(path => {
            const points = Array.from({ length: 60 }, (_, i) => path.getPointAtLength(path.getTotalLength() * (0.2 + 0.01 * i)));
            const read = points.map(p => [...pixels.getImageData(Math.round((p.x * scale - at.e) * devicePixelRatio),
              Math.round((p.y * scale - at.f) * devicePixelRatio), 1, 1).data]);
            const full = read.filter(p => p[3] > 0), mean = c => full.reduce((s, p) => s + p[c], 0) / Math.max(1, full.length);
            return [mean(0), mean(1), mean(2), read.length - full.length].map(Math.round);
          });
        }
        """;

    private readonly TemporaryDirectory _directory = new();
    private readonly PageBrowser _browser;
    private readonly ExamplePages _pages;
    private readonly ComparedPicture _compared;

    public PageComparisonTests(PageBrowser browser, ExamplePages pages)
    {
        (_browser, _pages) = (browser, pages);
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright [C", "--target", "]", "--no-page",
            "--out", _directory["square"]).Done();
        Verb.Run("view", pages.Run, _directory["square"], "--out", File).Done();
        _compared = ComparedPicture.Of(RunComparison.Read(pages.Run, _directory["square"]), new PictureLimits());
    }

    private string File => _directory["diff.html"];

    [Theory, InlineData(1400), InlineData(390)]
    public Task Every_node_and_edge_says_in_which_run_it_is(int width) => _browser.Visit(File, async page =>
    {
        foreach (var (presence, name) in new[] { (Presence.Both, "both"), (Presence.OnlyA, "a"), (Presence.OnlyB, "b"),
            (Presence.Opposite, "opposite") })
        {
            await Assertions.Expect(page.Locator($"svg.base g.node[data-in='{name}']"))
                .ToHaveCountAsync(_compared.Nodes.Count(n => n?.Presence == presence));
            await Assertions.Expect(page.Locator($"svg.base path.edge[data-in='{name}']"))
                .ToHaveCountAsync(_compared.Edges.Count(e => e.Presence == presence));
        }
        // on a small screen the figures are one tap away
        if (width < 800) await page.Locator("#comparison > summary").ClickAsync();
        var row = page.Locator("#comparison tr", new() { HasText = "only in B" });
        await Assertions.Expect(row.Locator("td").First).ToHaveTextAsync($"{_compared.Comparison.NodeCounts.OnlyB:N0}");
        await Assertions.Expect(row.Locator("td").Last).ToHaveTextAsync($"{_compared.Comparison.EdgeCounts.OnlyB:N0}");
        await Assertions.Expect(row).ToBeVisibleAsync();
        // nothing leaves the screen
        Assert.Equal(width, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
    }, new(width, 900));

    [Theory, InlineData("light"), InlineData("dark")]
    public Task Three_colours_are_painted_and_dashes_where_signs_are_opposite(string theme) => _browser.Visit(Apart(), async page =>
    {
        var edges = await page.EvaluateAsync<int[][]>(Painted);
        for (var i = 0; i < 600 && edges.Any(e => e[3] == 60); i++)
        {
            await page.Until("true");
            edges = await page.EvaluateAsync<int[][]>(Painted);
        }
        // the strongest first: in both, in both with opposite signs, only in A, only in B
        Assert.Equal(4, edges.Length);
        var (both, opposite, a, b) = (edges[0], edges[1], edges[2], edges[3]);
        Assert.True(Math.Max(both[0], Math.Max(both[1], both[2])) - Math.Min(both[0], Math.Min(both[1], both[2])) < 60, Words(both));
        Assert.True(a[0] > a[1] + 40 && a[1] > a[2] + 40, Words(a));
        Assert.True(b[1] > b[0] + 60 && b[1] > b[2] + 15, Words(b));
        Assert.InRange(opposite[3], 10, 50);
        Assert.All((int[][])[both, a, b], e => Assert.Equal(0, e[3]));
        Assert.True(Enumerable.Range(0, 3).All(c => Math.Abs(both[c] - opposite[c]) < 40), $"{Words(both)} and {Words(opposite)}");
        // lit, they keep their colours
        await page.Node(2).FocusAsync();
        Assert.Equal(await page.Locator("path.edge[data-in='a']").Drawn("stroke"),
            await page.Locator("path.beam[data-in='a']").Drawn("stroke"));

        static string Words(int[] colour) => string.Join(' ', colour);
    }, new(Hash: $"theme={theme}"));

    [Fact]
    public Task A_node_is_told_with_its_effects_in_both() => _browser.Visit(File, async page =>
    {
        foreach (var presence in (Presence[])[Presence.Both, Presence.OnlyB])
        {
            var node = Enumerable.Range(0, _compared.Nodes.Count).First(i => _compared.Nodes[i]?.Presence == presence);
            await page.Node(node).First.FocusAsync();
            await Assertions.Expect(Fact(page, "is")).ToHaveTextAsync(presence == Presence.Both ? "in both" : "only in B");
            await Assertions.Expect(Fact(page, "effect in B")).ToContainTextAsync(Digits(_compared.Nodes[node]!.EffectB));
            if (presence == Presence.Both)
            {
                await Assertions.Expect(Fact(page, "effect in A")).ToContainTextAsync(Digits(_compared.Nodes[node]!.EffectA));
            }
            await Assertions.Expect(page.Panel().Locator(".links .value").First).ToContainTextAsync(" | ");
        }
        await page.Locator("#about > summary").ClickAsync();
        await Assertions.Expect(page.Locator("#about")).ToContainTextAsync("A explains logit of ')', B logit of ']'");
        await Assertions.Expect(page.Locator("#header h1")).ToHaveCountAsync(2);
        await Assertions.Expect(page.Locator("#sign")).ToBeHiddenAsync();
    });

    [Fact]
    public Task The_marks_of_a_histogram_say_whose_they_are()
    {
        var node = _compared.Picture.Nodes.Index().Where(n => _compared.Nodes[n.Index] is { Presence: Presence.Both } both
            && both.ActivationA != both.ActivationB && n.Item.Position >= 0 && !n.Item.IsError).First().Index;
        return _browser.Visit(File, async page =>
        {
            await page.Node(node).First.FocusAsync();
            var marks = page.Panel().Locator(".histogram .marked");
            await Assertions.Expect(marks).ToHaveCountAsync(2);
            await Assertions.Expect(marks.First).ToContainTextAsync($"in A {Digits(_compared.Nodes[node]!.ActivationA)}");
            await Assertions.Expect(marks.Last).ToContainTextAsync($"in B {Digits(_compared.Nodes[node]!.ActivationB)}");
            await Assertions.Expect(page.Panel().Locator(".histogram .mark")).ToHaveCountAsync(2);
            var drawn = page.Panel().Locator(".mark");
            Assert.NotEqual(await drawn.First.Drawn("fill"), await drawn.Last.Drawn("fill"));
            Assert.Contains($"; in A {Digits(_compared.Nodes[node]!.ActivationA)}",
                await page.Panel().Locator(".histogram svg").GetAttributeAsync("aria-label"));
        });
    }

    [Fact]
    public async Task A_drawing_of_two_runs_says_what_each_does_to_a_node()
    {
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--patch-prompt", "Copyright [C", "--target", ")",
            "--no-page", "--out", _directory["patched"]).Done();
        Verb.Run("view", _pages.Run, _directory["patched"], "--out", _directory["both.html"]).Done();
        Assert.Contains("when a node is moved to zero in A, moved to its patch value in B", await Saved(_directory["both.html"]));
        Assert.Contains("when a node is moved to zero;", await Saved(File));
    }

    private async Task<string> Saved(string file)
    {
        await _browser.Visit(file, async page =>
        {
            var download = await page.RunAndWaitForDownloadAsync(() => page.ClickAsync("#download"));
            await download.SaveAsAsync(_directory["saved.svg"]);
        });
        return await System.IO.File.ReadAllTextAsync(_directory["saved.svg"]);
    }

    [Fact]
    public Task A_node_is_read_aloud_with_its_effects_in_both_and_the_metric_with_both_values() => _browser.Visit(File, async page =>
    {
        var node = Enumerable.Range(0, _compared.Nodes.Count).First(i => _compared.Nodes[i]?.Presence == Presence.Both);
        var (name, effects) = (await page.Node(node).First.GetAttributeAsync("aria-label") ?? "", _compared.Nodes[node]!);
        Assert.Matches($", in both, effect {Sign(effects.EffectA)}[0-9.e−-]+ in A, {Sign(effects.EffectB)}[0-9.e−-]+ in B$", name);
        var all = await page.Locator("svg.base g.node").EvaluateAllAsync<string[]>("all => all.map(n => n.getAttribute('aria-label'))");
        Assert.Equal(_compared.Nodes.Count, all.Length);
        Assert.All(all, label => Assert.DoesNotMatch("(raises|lowers) the metric", label));
        await Assertions.Expect(page.Node(_compared.Picture.Metric)).ToHaveAttributeAsync("aria-label",
            new Regex("^A: logit of '\\)' after position 3 [0-9.]+, B: logit of '\\]' after position 3 [0-9.]+: the metric$"));

        static string Sign(float effect) => effect < 0 ? "−" : "";
    });

    [Fact]
    public Task A_page_of_two_runs_has_no_subgraph_and_a_click_pins_all_the_same()
    {
        var node = Enumerable.Range(0, _compared.Nodes.Count).First(i => _compared.Nodes[i]?.Presence == Presence.OnlyB);
        var name = _compared.Picture.Nodes[node].Spelling;
        return _browser.Visit(File, async page =>
        {
            await page.Node(node).First.FocusAsync();
            foreach (var key in (string[])["p", "s", "g", "l"]) await page.Keyboard.PressAsync(key);
            await Assertions.Expect(page.Locator("#subgraph, #open-subgraph, .own, g.node.chosen, [data-tool]")).ToHaveCountAsync(0);
            await page.Keyboard.PressAsync("Enter");
            await Assertions.Expect(page.Locator($"svg.base g.node[data-node='{node}'][aria-pressed='true']")).ToHaveCountAsync(1);
            await page.Keyboard.PressAsync("?");
            await Assertions.Expect(page.Locator("#help .of-two")).ToBeVisibleAsync();
            await Assertions.Expect(page.Locator("#help .of-one").First).ToBeHiddenAsync();
        }, new(Hash: $"pins={name}&group={name}|one"));
    }

    [Fact]
    public void The_same_is_drawn_whichever_run_comes_first_and_each_as_strong_as_in_the_stronger()
    {
        var limits = new PictureLimits(60, 100);
        var compared = ComparedPicture.Of(RunComparison.Read(_pages.Run, _directory["square"]), limits);
        var swapped = ComparedPicture.Of(RunComparison.Read(_directory["square"], _pages.Run), limits);
        Assert.Equal(Drawn(compared), Drawn(swapped));
        Assert.NotEmpty(compared.Edges);
        Assert.All(compared.Edges.Zip(compared.Picture.Edges),
            e => Assert.Equal(Larger(e.First.EffectA, e.First.EffectB), e.Second.Effect));
        Assert.All(compared.Nodes.Zip(compared.Picture.Nodes).Where(n => n.First is not null),
            n => Assert.Equal(Larger(n.First!.EffectA, n.First.EffectB), n.Second.Effect));
        // or else the first run's effects could not be told from these
        Assert.Contains(compared.Nodes, n => n?.Presence == Presence.Both && Math.Abs(n.EffectB) > Math.Abs(n.EffectA));

        static float Larger(float a, float b) => float.IsNaN(a) || Math.Abs(b) > Math.Abs(a) ? b : a;

        static string[] Drawn(ComparedPicture of)
        {
            var nodes = of.Picture.Nodes;
            var edges = of.Picture.Edges.Select(e => $"{nodes[e.Up].Spelling} {nodes[e.Down].Spelling} {Math.Abs(e.Effect)}");
            return [.. nodes.Where(n => !n.IsMetric).Select(n => $"{n.Spelling} {Math.Abs(n.Effect)}").Order(), .. edges.Order()];
        }
    }

    [Fact]
    public void Summed_over_positions_a_sites_error_has_the_name_that_compare_prints()
    {
        var summed = ComparedPicture.Of(RunComparison.Read(_pages.Run, _directory["square"], RunAlignment.Feature), new PictureLimits());
        Assert.True(summed.Picture.Header.LumpsErrors);
        var errors = summed.Picture.Nodes.Where(n => n.IsError).ToList();
        Assert.NotEmpty(errors);
        Assert.All(errors, n => Assert.EndsWith(":error", n.Label));
    }

    [Fact]
    public async Task What_was_asked_of_a_long_prompt_stands_in_sight_and_two_figures_within_the_panel()
    {
        var prompt = string.Join(' ', Enumerable.Repeat("Very long prompt with many words.", 12));
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", prompt, "--sites", "resid", "--no-page",
            "--out", _directory["long"]).Done();
        Verb.Run("view", _directory["long"], _pages.Run, "--out", _directory["long.html"]).Done();
        foreach (var width in (int[])[1400, 1000, 390])
        {
            await _browser.Visit(_directory["long.html"], async page =>
            {
                Assert.True(await page.EvaluateAsync<bool>("(h => h.scrollHeight > h.clientHeight)(document.querySelector('#header h1'))"));
                var asked = page.Locator("#header .asked > p");
                await Assertions.Expect(asked).ToHaveCountAsync(2);
                await Assertions.Expect(asked.First).ToContainTextAsync("logit of ");
                Assert.True(await page.EvaluateAsync<bool>("""
                    [...document.querySelectorAll('#header .asked > p')].every(p => p.scrollHeight <= p.clientHeight
                      && p.getBoundingClientRect().bottom <= document.querySelector('#header').getBoundingClientRect().bottom)
                    """));
                if (width < 800) await page.ClickAsync("#handle");
                Assert.Empty(await page.EvaluateAsync<string[]>("""
                    [...document.querySelectorAll('.links button')].filter(b => {
                      b.querySelector('.value').textContent = '−0.000997 | −0.000997';
                      return b.scrollWidth > b.clientWidth || b.querySelector('.value').getBoundingClientRect().right > innerWidth;
                    }).map(b => b.textContent)
                    """));
            }, new(width, 900));
        }
    }

    [Fact]
    public Task A_page_of_one_run_has_none_of_it() => _browser.Visit(_pages.File, async page =>
    {
        await Assertions.Expect(page.Locator("#comparison")).ToHaveCountAsync(0);
        await Assertions.Expect(page.Locator("[data-in]")).ToHaveCountAsync(0);
        await Assertions.Expect(page.Locator("#sign")).ToBeVisibleAsync();
    });

    public void Dispose() => _directory.Dispose();

    private static ILocator Fact(IPage page, string name) =>
        page.Panel().Locator(".facts > div").Filter(new() { Has = page.GetByText(name, new() { Exact = true }) }).Locator("dd");

    // the first digits, whatever stands for the sign
    private static string Digits(float value) => Math.Abs(value).ToString("0.00", System.Globalization.CultureInfo.InvariantCulture)[..3];

    // an edge at each of four positions, none of which touches another
    private string Apart()
    {
        const string lower = "blocks.0.hook_resid_pre", upper = "blocks.1.hook_resid_pre";
        NodeRow[] nodes = [.. ((string[])[lower, upper]).SelectMany(site => Enumerable.Range(0, 4)
            .Select(p => PictureSamples.Row(site, p, "abcd"[p].ToString(), p, -4)))];
        string Run(string name, params CausalEdge[] edges)
        {
            var facts = PictureSamples.Facts("abcd");
            facts["token_strings"] = new JsonArray("a", "b", "c", "d");
            RunDirectory.Write(_directory[name], new RunContents(nodes, [edges], 3, facts.ToRecord()), force: false);
            return _directory[name];
        }
        var a = Run("a", new(0, 4, 1, -4), new(1, 5, 1, -3), new(2, 6, 1, -2));
        var b = Run("b", new(0, 4, 1, -4), new(1, 5, 1, 3), new(3, 7, 1, -1));
        Verb.Run("view", a, b, "--out", _directory["apart.html"]).Done();
        return _directory["apart.html"];
    }
}
