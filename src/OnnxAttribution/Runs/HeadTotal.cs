using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>What a run's edges owe to one head: sums of |effect| over edges, in the metric's unit, by way,
/// and the strongest edges.</summary>
/// <param name="Edges">How many edges pass it.</param>
internal sealed record HeadTotal(HeadName Head, double Value, double Query, double Key, int Edges, IReadOnlyList<HeadEdge> Strongest)
{
    public double All => Value + Query + Key;

    /// <summary>All heads that edges pass, the strongest first.</summary>
    public static IReadOnlyList<HeadTotal> Of(IEnumerable<HeadRow> rows, int strongest = 3)
    {
        var totals = new List<HeadTotal>();
        foreach (var head in rows.Where(r => r.Head is not null).GroupBy(r => new HeadName(r.Layer!.Value, r.Head!.Value)))
        {
            double Sum(string way) => head.Where(r => r.Way == way).Sum(r => Math.Abs((double)r.Effect));
            var edges = HeadEdge.Of(head);
            totals.Add(new HeadTotal(head.Key, Sum("value"), Sum("query"), Sum("key"), edges.Count, [.. edges.Take(strongest)]));
        }
        return [.. totals.OrderByDescending(t => t.All).ThenBy(t => t.Head.Layer).ThenBy(t => t.Head.Head)];
    }
}

/// <summary>An edge's part through one head, all ways together.</summary>
/// <param name="First">A row of it, which names its ends.</param>
internal sealed record HeadEdge(HeadRow First, double Effect)
{
    /// <summary>A head's rows edge by edge, the strongest first.</summary>
    public static IReadOnlyList<HeadEdge> Of(IEnumerable<HeadRow> rows) =>
        [.. rows.GroupBy(r => (r.UpSite, r.UpPosition, r.UpFeature, r.DownSite, r.DownPosition, r.DownFeature))
            .Select(e => new HeadEdge(e.First(), e.Sum(r => (double)r.Effect)))
            .OrderByDescending(e => Math.Abs(e.Effect))];
}
