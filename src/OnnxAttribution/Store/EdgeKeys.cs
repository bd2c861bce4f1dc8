namespace OnnxAttribution.Store;

/// <summary>What edges.parquet says about the ends of edges, by node index; the metric comes after the last node.</summary>
/// <param name="Sites">Site names by code; the metric's is the last.</param>
/// <param name="Site">Site code by node.</param>
/// <param name="Position">Token position by node.</param>
/// <param name="Feature">Feature by node, −1 for error nodes and the metric.</param>
internal sealed record EdgeKeys(string[] Sites, int[] Site, int[] Position, int[] Feature)
{
    /// <summary>The metric's place in the arrays.</summary>
    public int Metric => Site.Length - 1;

    /// <exception cref="ArgumentException">A site is called as the metric is.</exception>
    public static EdgeKeys Of(IReadOnlyList<NodeRow> nodes, int metricPosition)
    {
        var codes = new Dictionary<string, int>();
        var ends = new EdgeKeys([], new int[nodes.Count + 1], new int[nodes.Count + 1], new int[nodes.Count + 1]);
        for (var n = 0; n < nodes.Count; n++)
        {
            if (!codes.TryGetValue(nodes[n].Site, out var code)) codes.Add(nodes[n].Site, code = codes.Count);
            (ends.Site[n], ends.Position[n], ends.Feature[n]) = (code, nodes[n].Position, nodes[n].Feature);
        }
        if (codes.ContainsKey(RunNames.MetricSite))
        {
            throw new ArgumentException($"A site may not be called '{RunNames.MetricSite}': edges into the metric are.");
        }
        (ends.Site[^1], ends.Position[^1], ends.Feature[^1]) = (codes.Count, metricPosition, NodeRow.Error);
        return ends with { Sites = [.. codes.Keys, RunNames.MetricSite] };
    }
}
