using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Page;

/// <summary>What a page says of attention: heads that edges pass, and scores that were split.</summary>
internal sealed class PageAttention(RunPicture picture)
{
    private const int ShownHeads = 8, ShownEdges = 5, ShownParts = 3, ShownPairs = 8;

    /// <summary>Null where edges were not split.</summary>
    public PageHeads? Heads()
    {
        if (picture.Heads.Count == 0) return null;
        var drawn = picture.Edges.Select((e, i) => (Ends: (Key(e.Up), Key(e.Down)), i)).ToDictionary(e => e.Ends, e => e.i);
        var totals = HeadTotal.Of(picture.Heads, int.MaxValue);
        var ways = new PageStrings();
        var parts = picture.Edges.Select(_ => new List<NumberPair>()).ToList();
        foreach (var row in picture.Heads.OrderByDescending(r => Math.Abs(r.Effect)))
        {
            if (!drawn.TryGetValue(Ends(row), out var edge) || parts[edge].Count == ShownParts) continue;
            var way = row.Head is { } head ? $"{new HeadName(row.Layer!.Value, head)} {row.Way}" : row.Way;
            parts[edge].Add(new NumberPair(ways.IndexOf(way), row.Effect));
        }
        return new PageHeads(totals.Count, [.. totals.Take(ShownHeads).Select(t => Head(t, drawn))], ways.All, parts);
    }

    /// <summary>In the order of the table.</summary>
    public IReadOnlyList<PageScore> Scores()
    {
        var nodes = new Dictionary<(string, int, int), int>();
        for (var i = 0; i < picture.Metric; i++) nodes[Key(i)] = i;
        return [.. picture.Scores.GroupBy(r => (r.Layer, r.Head, r.Query, r.Key)).Select(rows => Score(new HeadName(rows.Key.Layer,
            rows.Key.Head), [.. rows], nodes))];
    }

    private static PageHead Head(HeadTotal total, Dictionary<((string, int, int), (string, int, int)), int> drawn) =>
        new(total.Head.ToString(), FiveDigits.Of(total.Value), FiveDigits.Of(total.Query), FiveDigits.Of(total.Key), total.Edges,
            [.. total.Strongest.Where(e => drawn.ContainsKey(Ends(e.First))).Take(ShownEdges)
                .Select(e => new NumberPair(drawn[Ends(e.First)], e.Effect))]);

    private static PageScore Score(HeadName head, List<ScorePairRow> rows, Dictionary<(string, int, int), int> nodes)
    {
        var (site, first) = ($"blocks.{head.Layer}.hook_resid_pre", rows[0]);
        string Label(int? feature) => feature is { } f ? FeatureName.Of(site, f) : "bias";
        int Node(int? feature, int position) => feature is { } f ? nodes.GetValueOrDefault((site, position, f), -1) : -1;
        return new PageScore(head.ToString(), first.Query, first.Key, FiveDigits.Of(rows.Sum(r => (double)r.Score)),
            FiveDigits.Of(first.Pattern), rows.Count,
            [.. rows.OrderByDescending(r => Math.Abs(r.Score)).Take(ShownPairs).Select(r => new PageScorePair(Label(r.QueryFeature),
                Label(r.KeyFeature), Node(r.QueryFeature, r.Query), Node(r.KeyFeature, r.Key), FiveDigits.Of(r.Score)))]);
    }

    private (string, int, int) Key(int node)
    {
        var n = picture.Nodes[node];
        return n.IsMetric ? (RunNames.MetricSite, 0, 0) : (n.Site!.Name, n.Position, n.Feature);
    }

    private static ((string, int, int), (string, int, int)) Ends(HeadRow row) => ((row.UpSite, row.UpPosition, row.UpFeature),
        row.DownSite == RunNames.MetricSite ? (RunNames.MetricSite, 0, 0) : (row.DownSite, row.DownPosition, row.DownFeature!.Value));
}
