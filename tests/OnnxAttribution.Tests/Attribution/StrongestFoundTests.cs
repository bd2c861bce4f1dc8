using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Edges that are let go as they are found are those that selection would leave out of a list of all.</summary>
public class StrongestFoundTests
{
    [Theory, InlineData(null, 0f), InlineData(null, 0.7f), InlineData(0, 0f), InlineData(1, 0f), InlineData(50, 0f), InlineData(50, 0.99f),
        InlineData(1000, 0.5f), InlineData(20_000, 0f), InlineData(60_000, 0f)]
    public void What_stays_is_what_would_stay_of_all(int? top, float threshold)
    {
        var random = new Random(5);
        // many are equally strong
        CausalEdge[] all = [.. Enumerable.Range(0, 50_000)
            .Select(i => new CausalEdge(random.Next(3000), i, i, random.Next(-400, 400) / 400f))];
        var options = new GraphOptions(TopEdges: top, EdgeThreshold: threshold, Prune: false);
        var found = new StrongestFound(top, threshold);
        foreach (var edge in all) found.Add(edge);
        Assert.Equal(Selection.KeepEdges([], [.. all], options).Select(e => e.Down),
            Selection.KeepEdges([], found.Edges(), options).Select(e => e.Down));
        for (var node = 0; node < 3001; node++)
        {
            Assert.Equal(all.Where(e => e.Up == node).Sum(e => (double)e.Effect), found.SumFrom(node), 1e-12);
        }
    }
}
