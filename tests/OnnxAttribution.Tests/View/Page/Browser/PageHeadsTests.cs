using Microsoft.Playwright;
using OnnxAttribution.Runs;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Heads, parts of edges and split scores in the panel.</summary>
[Collection(PageCollection.Name)]
public sealed class PageHeadsTests(PageBrowser browser, ExamplePages pages)
{
    private RunPicture Picture => pages.HeadsPicture;

    [Fact]
    public Task The_strongest_heads_are_listed_and_open_to_their_edges() => browser.Visit(pages.Heads, async page =>
    {
        var totals = HeadTotal.Of(Picture.Heads);
        var heads = page.Panel().Locator("h3:has-text('Strongest heads') ~ details.attention:has(svg.ways)");
        await Assertions.Expect(heads).ToHaveCountAsync(Math.Min(8, totals.Count));
        await Assertions.Expect(heads.First.Locator("summary b")).ToHaveTextAsync(totals[0].Head.ToString());
        var edge = heads.First.Locator("ol.links button").First;
        await Assertions.Expect(edge).ToBeHiddenAsync();
        await heads.First.Locator("summary").ClickAsync();
        await Assertions.Expect(edge).ToBeVisibleAsync();
        await edge.HoverAsync();
        await Assertions.Expect(page.LitEdges()).ToHaveCountAsync(1);
    });

    [Fact]
    public Task An_edge_of_a_node_shows_its_strongest_parts() => browser.Visit(pages.Heads, async page =>
    {
        var row = Picture.Heads.Where(r => r.Head is not null).MaxBy(r => Math.Abs(r.Effect))!;
        var up = Enumerable.Range(0, Picture.Nodes.Count).First(i => Picture.Nodes[i] is { IsMetric: false } n
            && (n.Site!.Name, n.Position, n.Feature) == (row.UpSite, row.UpPosition, row.UpFeature));
        await page.Node(up).ClickAsync();
        await Assertions.Expect(page.Panel().Locator("p.parts", new() { HasText = $"{row.Layer}.{row.Head} {row.Way}" }).First)
            .ToBeVisibleAsync();
    });

    [Fact]
    public Task A_split_score_opens_to_pairs_whose_ends_lead_to_their_nodes() => browser.Visit(pages.Heads, async page =>
    {
        var score = page.Panel().Locator("h3:has-text('Why heads attend') ~ details.attention");
        await Assertions.Expect(score).ToHaveCountAsync(1);
        await Assertions.Expect(score.Locator("summary b")).ToHaveTextAsync("2.1");
        await score.Locator("summary").ClickAsync();
        await Assertions.Expect(score.Locator("ol.pairs li")).ToHaveCountAsync(8);
        var pairs = Picture.Scores.OrderByDescending(r => Math.Abs(r.Score)).Take(8).ToList();
        var texts = await score.Locator("ol.pairs li .pairing").AllTextContentsAsync();
        Assert.Equal(pairs.Select(Pair), texts);
        await Assertions.Expect(score.Locator("p.near")).ToContainTextAsync($"of {Picture.Scores.Count:N0} pairs");

        static string Pair(OnnxAttribution.Store.ScorePairRow r) => $"{End(r.QueryFeature)} × {End(r.KeyFeature)}";
        static string End(int? feature) => feature switch { null => "bias", -1 => "2:error", var f => $"2:{f}" };
    });

    [Fact]
    public Task A_page_whose_edges_were_not_split_says_nothing_of_heads() => browser.Visit(pages.File, async page =>
    {
        await Assertions.Expect(page.Panel().Locator("h3:has-text('Strongest nodes')")).ToHaveCountAsync(1);
        await Assertions.Expect(page.Panel().Locator("details.attention")).ToHaveCountAsync(0);
    });
}
