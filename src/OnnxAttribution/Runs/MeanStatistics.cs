using System.Runtime.InteropServices;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>How sure a dataset's mean is of its nodes and edges, and in how many prompts they stand.</summary>
/// <param name="lines">Of the prompts that have a graph, ascending.</param>
internal sealed class MeanStatistics(DatasetSums sums, int[] lines, BootstrapRecord asked)
{
    private readonly MeanBootstrap _bootstrap = new(lines.Length, asked);

    /// <summary>A row for every node; intervals of those that were chosen.</summary>
    public KeyedColumns OfNodes(IReadOnlyList<(CausalNode Node, bool Chosen, NodeSumRow Total)> nodes)
    {
        var kept = new StoredTable(new(MeanColumns.Site, StoredType.Varchar), new(MeanColumns.Feature, StoredType.Integer));
        foreach (var (node, chosen, _) in nodes)
        {
            if (chosen) kept.Add(node.Site.Name, node.Feature);
        }
        var (intervals, next, result) = (Intervals(DatasetNames.Effects, kept), 0, MeanColumns.OfNodes());
        foreach (var (node, chosen, total) in nodes)
        {
            var (low, high) = chosen ? intervals[next++] : (float.NaN, float.NaN);
            result.Table.Add(node.Site.Name, node.Feature, low, high, Share(total.Active), Share(total.Kept));
        }
        return result;
    }

    /// <summary>A row for every edge.</summary>
    /// <param name="graph">Of the mean.</param>
    /// <param name="active">How many prompts have an edge.</param>
    public KeyedColumns OfEdges(SummedGraph graph, IReadOnlyDictionary<(int Up, int Down), int> active)
    {
        var kept = new StoredTable(new(MeanColumns.UpSite, StoredType.Varchar), new(MeanColumns.UpFeature, StoredType.Integer),
            new(MeanColumns.DownSite, StoredType.Varchar), new(MeanColumns.DownFeature, StoredType.Integer));
        foreach (var edge in graph.Edges)
        {
            var (up, down) = (graph.Nodes[edge.Up], edge.Down == CausalEdge.Metric ? null : graph.Nodes[edge.Down]);
            kept.Add(up.Site.Name, up.Feature, down?.Site.Name ?? RunNames.MetricSite, down?.Feature ?? CausalNode.Error);
        }
        var (intervals, keeping, result) = (Intervals(DatasetNames.EdgeSums, kept), sums.PromptsThatKeep(kept), MeanColumns.OfEdges());
        for (var i = 0; i < graph.Edges.Count; i++)
        {
            var edge = graph.Edges[i];
            var (up, down) = (graph.Nodes[edge.Up], edge.Down == CausalEdge.Metric ? null : graph.Nodes[edge.Down]);
            StoredValue downFeature = down is null ? StoredValue.Null : down.Feature;
            result.Table.Add(up.Site.Name, up.Feature, down?.Site.Name ?? RunNames.MetricSite, downFeature,
                intervals[i].Low, intervals[i].High, Share(active[(edge.Up, edge.Down)]), Share(keeping[i]));
        }
        return result;
    }

    private float Share(int prompts) => (float)prompts / lines.Length;

    private (float Low, float High)[] Intervals(string table, StoredTable kept)
    {
        var intervals = new (float, float)[kept.Count];
        Array.Fill(intervals, _bootstrap.Interval([], []));   // of what no prompt has
        var (place, prompts, values) = (-1, new List<int>(), new List<double>());
        void Close()
        {
            if (place >= 0) intervals[place] = _bootstrap.Interval(CollectionsMarshal.AsSpan(prompts), CollectionsMarshal.AsSpan(values));
            prompts.Clear();
            values.Clear();
        }
        if (kept.Count == 0) return intervals;
        sums.Effects(table, kept, (at, line, effect) =>
        {
            if (at != place) Close();
            place = at;
            prompts.Add(Array.BinarySearch(lines, line));
            values.Add(effect);
        });
        Close();
        return intervals;
    }
}
