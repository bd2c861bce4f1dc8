using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution.Invariants;

public sealed class EncoderColumnsTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // one site's columns are a few hundred to a few thousand bytes: with the middle budget some are kept and some are not
    [Theory, InlineData(0, 0, 0), InlineData(6000, 1, 6), InlineData(1 << 20, 7, 7)]
    public void Columns_read_with_the_encoding_give_the_edges_of_columns_read_when_needed(long budget, int leastKept, int mostKept)
    {
        using var model = bundle.Open();
        var (sites, edges) = Edges(model, budget);
        Assert.InRange(sites.Count(s => s.EncoderColumns is not null), leastKept, mostKept);
        var (_, later) = Edges(model, 0);
        Assert.NotEmpty(edges);
        Assert.Equal(later.Select(e => (e.Up, e.Down)), edges.Select(e => (e.Up, e.Down)));
        // the same products; the order of their sums depends on where an array happens to lie
        GraphComparison.Numbers(later.Select(e => e.Effect), edges.Select(e => e.Effect), 1e-6, "effects");
    }

    private (IReadOnlyList<SiteEffects> Sites, List<CausalEdge> Edges) Edges(LoadedModel model, long budget)
    {
        var options = new GraphOptions().KeepingAll();
        var state = PatchingState.Run(model, bundle.Tokens, null, options);
        state.Expand(budget);
        var nodes = state.Effects();
        Selection.KeepStrongest(nodes, options);
        var edges = new List<CausalEdge>();
        new EdgeFinder(model, state.Sites, nodes, bundle.Tokens, Estimator.Gradient).Find(edges.Add);
        return (state.Sites, edges);
    }
}
