using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Bench;

/// <summary>In how many random graphs each bound of a certificate held.</summary>
/// <param name="LargestNode">No dropped node's |effect| is larger than the bound.</param>
/// <param name="NodesAbove">The share of dropped nodes above the threshold is within the bound.</param>
/// <param name="NodesLarger">The share of dropped nodes larger than the largest measured is within the bound.</param>
/// <param name="NodesBoth">Both of these.</param>
/// <param name="EdgesAbove">As <paramref name="NodesAbove"/>, of edges; likewise <paramref name="EdgesLarger"/> and
/// <paramref name="EdgesBoth"/>.</param>
/// <param name="BySize">Of each density of subsets: graphs that had it, and in how many its bound held.</param>
/// <param name="Tightness">Bound over largest |effect|: the median, and the tenth and the ninetieth percentile.</param>
/// <param name="Dropped">Nodes dropped, the median; <paramref name="Rows"/> that a certificate took, likewise.</param>
internal sealed record CoverageSummary(int Graphs, int LargestNode, int NodesAbove, int NodesLarger, int NodesBoth,
    int EdgesAbove, int EdgesLarger, int EdgesBoth,
    IReadOnlyList<SizeCoverage> BySize, IReadOnlyList<double> Tightness, double Dropped, double Rows)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.Strict,
    };

    public static CoverageSummary Of(IReadOnlyList<CoveredGraph> graphs)
    {
        double[] ratios = [.. graphs.Where(g => g.Nodes.Largest > 0).Select(g => g.Nodes.Bound.Bound!.Value / g.Nodes.Largest).Order()];
        double At(double share) => Figures.Rounded(ratios[(int)(share * (ratios.Length - 1))]);
        var sizes = graphs.SelectMany(g => g.Sizes.Select(
            s => (s.Density, Held: g.Nodes.Largest <= Math.Max(s.Bound, g.Nodes.Bound.Largest))));
        return new CoverageSummary(graphs.Count, graphs.Count(g => g.Nodes.HoldsBound), graphs.Count(g => g.Nodes.HoldsShare),
            graphs.Count(g => g.Nodes.HoldsLarger), graphs.Count(g => g.Nodes is { HoldsShare: true, HoldsLarger: true }),
            graphs.Count(g => g.Edges.HoldsShare), graphs.Count(g => g.Edges.HoldsLarger),
            graphs.Count(g => g.Edges is { HoldsShare: true, HoldsLarger: true }),
            [.. sizes.GroupBy(s => s.Density).OrderByDescending(g => g.Key)
                .Select(g => new SizeCoverage(g.Key, g.Count(), g.Count(s => s.Held)))],
            [At(0.1), At(0.5), At(0.9)], Figures.Median([.. graphs.Select(g => (double)g.Nodes.Bound.Dropped)]),
            Figures.Median([.. graphs.Select(g => (double)g.Rows)]));
    }

    public string Json() => JsonSerializer.Serialize(this, s_json) + "\n";

    public void Print(TextWriter output)
    {
        output.WriteLine($"{Graphs:N0} random graphs, {Dropped:N0} dropped nodes and {Rows:N0} rows at the median; "
            + "bounds of 95 % that held:");
        Row("largest dropped node", LargestNode, Graphs);
        Row("share of nodes above the threshold", NodesAbove, Graphs);
        Row("share of nodes larger than measured", NodesLarger, Graphs);
        Row("both shares of nodes", NodesBoth, Graphs);
        Row("share of edges above the threshold", EdgesAbove, Graphs);
        Row("share of edges larger than measured", EdgesLarger, Graphs);
        Row("both shares of edges", EdgesBoth, Graphs);
        foreach (var s in BySize) Row($"largest node, by subsets of density {s.Density}", s.Held, s.Graphs);
        output.WriteLine($"bound over largest dropped node: median {Tightness[1]:0.00}, tenth to ninetieth percentile "
            + $"{Tightness[0]:0.00} to {Tightness[2]:0.00}");

        void Row(string what, int held, int of) =>
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-44}{held,6:N0} of {of,5:N0}  {100.0 * held / of:0.0} %"));
    }
}

/// <summary>How often the bound by subsets of one density held.</summary>
internal sealed record SizeCoverage(double Density, int Graphs, int Held);
