using OnnxAttribution.Attribution;
using static OnnxAttribution.Attribution.InfluenceRole;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Influence, pruning and scores on graphs whose numbers circuit-tracer's tests assert, or follow from its definitions.</summary>
public sealed class PathInfluenceTests
{
    // circuit-tracer's test of graph pruning: every edge weighs 10
    private static readonly InfluenceRole[] s_roles =
        [Feature, Feature, Feature, Feature, Feature, Error, Error, Error, Error, Token, Token, Output];

    private static readonly (int Source, int Target)[] s_edges =
        [(1, 11), (3, 11), (6, 11), (8, 11), (0, 3), (1, 3), (6, 3), (9, 1), (10, 1), (9, 0)];

    private static PathInfluence Twelve(params (int, int)[] without) => new(s_roles,
        s_edges.Except(without).Select(e => new InfluenceEdge(e.Item1, e.Item2, 10)), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    [Fact]
    public void Node_influence_is_the_sum_over_all_paths() =>
        Close([1 / 12.0, 1 / 3.0, 0, 1 / 4.0, 0, 0, 1 / 3.0, 0, 1 / 4.0, 1 / 4.0, 1 / 6.0, 0], Twelve().Nodes);

    [Fact]
    public void A_node_whose_inputs_weigh_nothing_gives_them_nothing()
    {
        var influence = new PathInfluence([Token, Feature, Error, Output],
            [new(0, 1, 0), new(1, 3, 2), new(2, 3, -2)], [0, 0, 0, 1]);
        Close([0, 0.5, 0.5, 0], influence.Nodes);
        Assert.Equal(0, influence.Replacement);
    }

    [Fact]
    public void Edge_scores_are_shares_of_what_the_target_does()
    {
        var scores = Twelve((9, 0), (0, 3)).EdgeScores(_ => true);
        Assert.Equal(8, scores.Count);
        foreach (var (edge, score) in scores)
        {
            Assert.Equal(edge switch { (_, 11) => 1 / 4.0, (_, 3) => 1 / 8.0, _ => 3 / 16.0 }, score, 1e-12);
        }
    }

    [Fact]
    public void Nodes_and_edges_are_kept_to_their_shares()
    {
        var (nodes, edges) = Twelve().Prune(0.8, 0.98);
        Assert.Equal([1, 3, 6, 8, 9, 10, 11], Kept(nodes));
        Assert.Equal(s_edges.Except([(9, 0), (0, 3)]).Order(), edges.Order());
    }

    [Fact]
    public void A_feature_without_input_goes_and_what_it_alone_fed_goes_with_it()
    {
        var (nodes, edges) = Twelve().Prune(0.8, 0.7);
        Assert.Equal([1, 6, 8, 9, 10, 11], Kept(nodes));
        Assert.Equal(((int, int)[])[(1, 11), (6, 11), (8, 11), (9, 1), (10, 1)], edges.Order());
    }

    [Fact]
    public void Scores_are_those_of_the_unpruned_graph()
    {
        Assert.Equal(5 / 12.0, Twelve().Replacement, 1e-12);
        Assert.Equal(25 / 32.0, Twelve().Completeness, 1e-12);
    }

    [Fact]
    public void Cumulative_influence_falls_from_the_strongest_on()
    {
        var cumulative = Twelve().Cumulative;
        Assert.Equal([0.2, 0.4], ((double[])[cumulative[1], cumulative[6]]).Order(), Same);
        Assert.Equal([0.55, 0.7, 0.85], ((double[])[cumulative[3], cumulative[8], cumulative[9]]).Order(), Same);
        Assert.Equal(0.95, cumulative[10], 1e-12);
        Assert.All((int[])[0, 2, 4, 5, 7, 11], i => Assert.Equal(1, cumulative[i], 1e-12));
    }

    [Fact]
    public void Signs_do_not_cancel()
    {
        InfluenceEdge[] edges = [new(1, 5, 3), new(2, 5, -1), new(0, 1, 2), new(3, 1, -2), new(0, 2, 1), new(4, 2, 1)];
        var graph = new PathInfluence([Feature, Feature, Feature, Error, Token, Output], edges, [0, 0, 0, 0, 0, 1]);
        Close([0.5, 0.75, 0.25, 0.375, 0.125, 0], graph.Nodes);
        Assert.Equal(0.25, graph.Replacement, 1e-12);
        Assert.Equal(0.875, graph.Completeness, 1e-12);
    }

    [Fact]
    public void Weights_of_outputs_are_not_renormalised()
    {
        InfluenceEdge[] edges = [new(0, 1, 2), new(0, 2, -5)];
        Close([0.7, 0, 0], new PathInfluence([Token, Output, Output], edges, [0, 0.4, 0.3]).Nodes);
    }

    private static bool Same(double a, double b) => Math.Abs(a - b) < 1e-12;

    private static IEnumerable<int> Kept(bool[] nodes) => Enumerable.Range(0, nodes.Length).Where(i => nodes[i]);

    private static void Close(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-12);
    }
}
