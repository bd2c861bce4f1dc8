using OnnxAttribution.Bundles;

namespace OnnxAttribution.Store;

/// <summary>What edges.parquet says about the ends of edges, by node index; the metric comes after the last node, and behind it what
/// switched on at each site.</summary>
/// <param name="Sites">Site names by code; the metric's is the last.</param>
/// <param name="Site">Site code by node.</param>
/// <param name="Position">Token position by node.</param>
/// <param name="Feature">Feature by node, −1 for error nodes and the metric.</param>
/// <param name="Metric">The metric's place in the arrays: the number of nodes.</param>
internal sealed record EdgeKeys(string[] Sites, int[] Site, int[] Position, int[] Feature, int Metric)
{
    /// <summary>As in <see cref="RunRecord.SignOfClean"/>.</summary>
    public int SignOfClean { get; init; } = -1;

    /// <summary>By node, and there are no more: the separate circuit that it is in (<see cref="Attribution.SeparateCircuits"/>), 0: none.
    /// </summary>
    public int[] Circuits { get; init; } = [];

    /// <summary>What down_feature says of what switched on at a site; its down_position is that of a sum.</summary>
    public const int SwitchedOn = -2;

    /// <summary>The place in the arrays of what switched on at a site.</summary>
    /// <exception cref="ArgumentException">No node is at that site.</exception>
    public int SwitchedOnAt(string site) => Array.IndexOf(Sites, site, 0, Sites.Length - 1) is >= 0 and var code
        ? Metric + 1 + code
        : throw new ArgumentException($"Something switched on at '{site}', where there is no node.");

    /// <exception cref="ArgumentException">A site is called as the metric is.</exception>
    public static EdgeKeys Of(IReadOnlyList<NodeRow> nodes, int metricPosition)
    {
        var codes = new Dictionary<string, int>();
        foreach (var node in nodes) codes.TryAdd(node.Site, codes.Count);
        var count = nodes.Count + 1 + codes.Count;
        var ends = new EdgeKeys([.. codes.Keys, RunNames.MetricSite], new int[count], new int[count], new int[count], nodes.Count);
        for (var n = 0; n < nodes.Count; n++)
        {
            (ends.Site[n], ends.Position[n], ends.Feature[n]) = (codes[nodes[n].Site], nodes[n].Position, nodes[n].Feature);
        }
        if (codes.ContainsKey(RunNames.MetricSite))
        {
            throw new ArgumentException($"A site may not be called '{RunNames.MetricSite}': edges into the metric are.");
        }
        (ends.Site[ends.Metric], ends.Position[ends.Metric], ends.Feature[ends.Metric]) = (codes.Count, metricPosition, NodeRow.Error);
        for (var code = 0; code < codes.Count; code++)
        {
            var at = ends.Metric + 1 + code;
            (ends.Site[at], ends.Position[at], ends.Feature[at]) = (code, TokenPosition.All, SwitchedOn);
        }
        return ends;
    }
}
