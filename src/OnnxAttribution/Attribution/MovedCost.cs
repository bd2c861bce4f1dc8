using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>What really moving nodes takes, counted from where they stand: <see cref="MovedNodes"/> without running anything.</summary>
/// <param name="metric">Position, and how many tokens the metric reads; 0: all.</param>
internal sealed class MovedCost(LoadedModel model, int positions, (int Position, int Tokens) metric)
{
    private readonly MovedSteps _steps = MovedSteps.Of(model);

    /// <summary>Floating-point operations of <see cref="Refinement"/>.</summary>
    /// <param name="strongest">Nodes, the strongest first; no more are taken than there are.</param>
    /// <param name="nodes">How many nodes the graph has.</param>
    public long OfRefinement(IEnumerable<(Site Site, int Position)> strongest, long nodes, int budget)
    {
        (Site, int)[] first = [.. strongest.Take((int)Math.Min(nodes, (long)Refinement.Shallow * budget))];
        var total = Of(first, 1);
        var each = (budget + Refinement.Rounds - 1) / Refinement.Rounds;
        foreach (var round in first.Take(budget).Chunk(Math.Max(1, each))) total += Of(round, MovedNodes.Whole);
        return total;
    }

    /// <summary>Floating-point operations of moving every node, K blocks deep or all the way.</summary>
    /// <param name="some">As many as are counted; what they take stands for the rest.</param>
    public long OfAll(IReadOnlyList<(Site Site, int Position)> some, long nodes, int depth) =>
        some.Count == 0 ? 0 : (long)(Of(some, depth) * ((double)nodes / some.Count));

    private long Of(IReadOnlyList<(Site Site, int Position)> nodes, int depth)
    {
        var rows = nodes.Select(n => (Start: model.SiteIndex(n.Site.Name), n.Position, End: MovedNodes.EndOf(model, n.Site, depth)))
            .OrderBy(n => n.Start).ToArray();
        var most = Math.Max(1, MovedNodes.RowsPerPass(model, positions) - 1);
        return rows.Chunk(most).Sum(OfPass);
    }

    private long OfPass((int Start, int Position, int End)[] nodes)
    {
        var sites = model.Bundle.Sites.Count;
        var held = new RelayRows(_steps, sites, positions, metric.Position);
        var (live, next, total) = (new List<(int Row, int End)>(), 0, 0L);
        for (var site = nodes[0].Start; site < sites && (live.Count > 0 || next < nodes.Length); site++)
        {
            if (live.Count > 0 && _steps.To(site) is { } step)
            {
                if (held.AreMoved(step))
                {
                    var (run, made) = held.To(site, step, live.Select(r => r.Row));
                    total += Operations(step, run, step.Mixes ? made : null);
                    held.Hold(site, made);
                }
                foreach (var i in step.Reads.Where(i => _steps.LastRead[i] <= site)) held.Drop(i);
            }
            live.RemoveAll(r => r.End == site);
            if (next == nodes.Length || nodes[next].Start != site) continue;
            var rows = held.Of(site).Copy();
            for (; next < nodes.Length && nodes[next].Start == site; next++)
            {
                live.Add((next + 1, nodes[next].End));
                if (rows.Still.Holds(nodes[next].Position)) rows.Add(next + 1, nodes[next].Position, 1);
            }
            held.Hold(site, rows);
        }
        if (live.Count == 0) return total;
        var head = _steps.Head(metric.Tokens > 0);
        var last = held.Differing(head, _steps.HeadIsPositionWise, live.Select(r => r.Row));
        return last.Spans.Count == 1 ? total : total + Operations(head, last, null);
    }

    private long Operations(MovedSteps.Step step, PackedRows rows, PackedRows? pairs)
    {
        var sizes = new MoveFeed(rows, [.. pairs?.Entries() ?? []]).Sizes(positions);
        sizes["chosen"] = metric.Tokens;
        return FlopCount.Of(step.Segment.Graph, sizes);
    }
}
