using System.Text.Json.Nodes;
using OnnxAttribution.Bench;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Bench;

/// <summary>What a certificate says of random graphs in which everything is measured: the bounds must hold.
/// <c>OnnxAttribution.Bench --coverage 1000</c> does the same on larger ones.</summary>
public class CoverageBenchmarkTests
{
    [Fact]
    public void Bounds_hold_in_95_of_100_random_graphs()
    {
        var graphs = CoverageBenchmark.Measure(200, new CoverageSize(25, 5, 6, 60), new RunContext(threads: 1), _ => { });
        Assert.Equal(200, graphs.Count);
        // most of what is bounded was not measured, and some of it is large
        Assert.True(graphs.Average(g => (double)g.Nodes.Bound.Measured / g.Nodes.Bound.Dropped) < 0.5);
        Assert.Contains(graphs, g => g.Nodes.Largest > 2 * g.Nodes.Bound.Largest);
        Assert.InRange(graphs.Count(g => g.Nodes.HoldsBound), 190, 200);
        // nothing is assumed of these: in 95 of 100 draws or more, which is 181 of 200 or more in all but one of 200 such tests
        Assert.InRange(graphs.Count(g => g.Nodes is { HoldsShare: true, HoldsLarger: true }), 181, 200);
        Assert.InRange(graphs.Count(g => g.Edges is { HoldsShare: true, HoldsLarger: true }), 181, 200);
        // a bound that says nothing would hold too
        var summary = CoverageSummary.Of(graphs);
        Assert.InRange(summary.Tightness[1], 1, 5);
        Assert.Equal((200, graphs.Count(g => g.Nodes.HoldsBound)), (summary.Graphs, summary.LargestNode));
    }

    [Fact]
    public void The_program_prints_how_often_they_held()
    {
        var printed = BenchRun.Start("--coverage", "2", "--threads", "1").Done().Output;
        Assert.All((string[])["2 random graphs", "largest dropped node", "share of edges above the threshold", "median"],
            w => Assert.Contains(w, printed));
        var json = JsonNode.Parse(BenchRun.Start("--coverage", "2", "--threads", "1", "--json").Done().Output)!;
        Assert.Equal(2, (int)json["graphs"]!);
        Assert.Equal(3, json["tightness"]!.AsArray().Count);
    }
}
