using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

public class SeparateCircuitsTests
{
    [Fact]
    public void Circuits_are_what_edges_join_without_the_metric_and_the_one_with_the_strongest_edge_is_the_first() =>
        Assert.Equal([2, 2, 2, 1, 1, 0], SeparateCircuits.Of(6,
        [
            new(0, 1, 1, 0.5f), new(2, 1, 1, -3), new(3, 4, 1, -4),
            // neither joins anything
            new(1, CausalEdge.Metric, 1, 100), new(5, CausalEdge.Metric, 1, 200),
        ]));

    [Fact]
    public void Of_equal_edges_the_first_counts_and_an_effect_that_is_not_known_is_the_weakest() =>
        Assert.Equal([2, 2, 1, 1, 3, 3], SeparateCircuits.Of(6, [new(4, 5, 1, float.NaN), new(2, 3, 1, 2), new(0, 1, 1, -2)]));

    [Fact]
    public void Random_graphs_fall_apart_as_walking_along_their_edges_says()
    {
        var random = new Random(5);
        for (var trial = 0; trial < 50; trial++)
        {
            var nodes = random.Next(1, 40);
            CausalEdge[] edges = [.. Enumerable.Range(0, random.Next(0, 40))
                .Select(_ => new CausalEdge(random.Next(nodes), random.Next(-1, nodes), 1, random.NextSingle() - 0.5f))
                .Where(e => e.Down != e.Up).Select(e => e.Down < 0 ? e with { Down = CausalEdge.Metric } : e)];
            var found = SeparateCircuits.Of(nodes, edges);
            var between = edges.Where(e => e.Down != CausalEdge.Metric).ToList();
            for (var i = 0; i < nodes; i++)
            {
                var reached = new HashSet<int> { i };
                while (between.Any(e => reached.Contains(e.Up) ? reached.Add(e.Down) : reached.Contains(e.Down) && reached.Add(e.Up)))
                {
                }
                for (var j = 0; j < nodes; j++)
                {
                    if (i != j) Assert.Equal(reached.Contains(j), found[i] > 0 && found[i] == found[j]);
                }
            }
            var strongest = between.GroupBy(e => found[e.Up]).OrderBy(g => g.Key).Select(g => g.Max(e => Math.Abs(e.Effect))).ToList();
            Assert.Equal(strongest.OrderDescending(), strongest);
            Assert.Equal(Enumerable.Range(1, strongest.Count), between.Select(e => found[e.Up]).Distinct().Order());
        }
    }
}
