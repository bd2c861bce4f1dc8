using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Ablation;

public class PathSelectionTests
{
    // 0 → 2 → 5 → 7, with 1 → 2, a lone edge 3 → 4, and a weak 2 → 6
    private static readonly CausalEdge[] s_edges =
        [Edge(5, 7, 1), Edge(0, 2, -3), Edge(1, 2, 2), Edge(3, 4, 9), Edge(2, 5, 0.5f), Edge(2, 6, 0.1f)];

    [Theory]
    [InlineData(1, "111111")]
    [InlineData(2, "111011")]
    [InlineData(3, "111010")]
    [InlineData(4, "000000")]
    public void An_edge_stays_that_lies_on_a_path_of_the_wanted_length(int minPath, string stays) =>
        Assert.Equal(stays, string.Concat(PathSelection.Keep(s_edges, minPath).Select(k => k ? 1 : 0)));

    [Fact]
    public void Chains_begin_with_the_strongest_edge_and_follow_the_strongest()
    {
        Assert.Equal([[3], [1, 4, 0], [2, 4, 0], [1, 5]], PathSelection.Chains(s_edges, 1, 10));
        Assert.Equal([[3], [1, 4, 0]], PathSelection.Chains(s_edges, 1, 2));
    }

    [Fact]
    public void A_chain_leaves_the_strongest_edge_where_only_another_is_long_enough()
    {
        // 0 → 1 is followed by a strong end 1 → 2 and a weak way on 1 → 3 → 4
        CausalEdge[] edges = [Edge(0, 1, 1), Edge(1, 2, 8), Edge(1, 3, 0.1f), Edge(3, 4, 0.1f)];
        Assert.Equal([[0, 1], [0, 2, 3]], PathSelection.Chains(edges, 2, 10));
        var keep = PathSelection.Keep(edges, 3);
        Assert.Equal([true, false, true, true], keep);
        Assert.Equal([[0, 1, 2]], PathSelection.Chains([.. edges.Where((_, i) => keep[i])], 3, 10));
    }

    [Fact]
    public void No_edges_make_no_chains()
    {
        Assert.Empty(PathSelection.Keep([], 2));
        Assert.Empty(PathSelection.Chains([], 2, 12));
    }

    private static CausalEdge Edge(int up, int down, float effect) => new(up, down, float.NaN, effect);
}
