using OnnxAttribution.View;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>The kinds of graphs that every gesture is made on, made once.</summary>
internal static class GesturePages
{
    private const int Tokens = 40;

    /// <summary>A page of a kind: <c>small</c>, <c>long</c> (of 40 tokens), <c>merged</c> or <c>large</c> (2,000 nodes, 10,000 edges).
    /// </summary>
    public static string Of(string kind, ExamplePages pages, BatchPages batch) => kind switch
    {
        "small" => pages.File,
        "merged" => batch.Merged,
        "long" => Write(pages, kind, Long()),
        _ => Write(pages, kind, PictureSamples.Large()),
    };

    private static string Write(ExamplePages pages, string kind, RunPicture picture) =>
        pages.Write($"{kind}.html", picture, kind == "large" ? [] : ExamplePages.Cards(picture));

    /// <summary>Most tokens have no node, as it is with long prompts.</summary>
    public static RunPicture Long()
    {
        var random = new Random(3);
        string[] sites = ["blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", "blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre",
            "blocks.1.hook_attn_out", "blocks.1.hook_mlp_out", "blocks.2.hook_resid_pre"];
        var facts = PictureSamples.Facts("a long one");
        facts["token_strings"] = new System.Text.Json.Nodes.JsonArray(
            [.. Enumerable.Range(0, Tokens).Select(i => (System.Text.Json.Nodes.JsonNode)(i % 7 == 3 ? "\r" : $" token{i}"))]);
        int[] positions = [0, 3, 4, 11, 12, 20, 25, 31, 36, 37, 38, 39];
        var rows = sites.SelectMany(s => positions.SelectMany(p => Enumerable.Range(0, 2).Select(i =>
            PictureSamples.Row(s, p, $" token{p}", i == 0 && p % 4 == 3 ? -1 : (100 * i) + p, random.NextSingle() - 0.5f)))).ToList();
        var edges = new List<CausalEdge>();
        for (var i = 0; i < 400; i++)
        {
            var (u, d) = (random.Next(rows.Count), random.Next(rows.Count));
            if (Array.IndexOf(sites, rows[u].Site) < Array.IndexOf(sites, rows[d].Site) && rows[u].Position <= rows[d].Position)
            {
                edges.Add(new(u, d, 1, random.NextSingle() - 0.5f));
            }
        }
        edges.AddRange(Enumerable.Range(rows.Count - 6, 6).Select(i => new CausalEdge(i, CausalEdge.Metric, 1, rows[i].Effect)));
        return PictureSamples.Of(rows, [.. edges.DistinctBy(e => (e.Up, e.Down))], facts, Tokens - 1);
    }
}
