using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Effects by depth lie between attribution patching and real patching, and agree with both at their ends.</summary>
public sealed class DepthTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    private const double Tolerance = 1e-5;

    private static readonly int[] s_tokens = [256, 1, 2, 3, 4];

    [Theory, InlineData("resid"), InlineData("mlp"), InlineData("attn")]
    public void Depth_0_is_attribution_patching(string sites)
    {
        using var model = bundle.Open(sites);
        GraphComparison.Same(Find(model, new()), Find(model, new() { ExactDepth = 0 }), Tolerance);
    }

    [Fact]
    public void All_blocks_are_real_patching()
    {
        using var model = bundle.Open();
        var whole = Find(model, new() { ExactDepth = 2 });
        GraphComparison.Same(Find(model, new() { Method = EffectMethod.Exact }), whole, Tolerance);
        Assert.All(whole.Nodes, n => Assert.Equal(("exact", n.Effect, 0f), (n.Method, n.Exact, n.EffectError)));
        Assert.Equal((0, whole.Nodes.Count), (whole.MovedNodes, whole.ExactNodes));
    }

    [Fact]
    public void A_row_of_many_is_what_it_is_alone()
    {
        using var model = bundle.Open();
        var options = new GraphOptions { ExactDepth = 1 }.KeepingAll();
        var state = PatchingState.Run(model, s_tokens, null, options);
        state.Expand();
        using var clean = state.Start();
        int[] all = [.. Enumerable.Range(0, state.Sites.Sum(s => s.Nodes.Count))];
        var together = new MovedNodes(state, clean, Estimator.Gradient).Effects(all, 1);
        foreach (var i in all.Where(i => i % 7 == 0))
        {
            var alone = new MovedNodes(state, clean, Estimator.Gradient).Effects([i], 1);
            Assert.Equal(together[i].Effect, alone[0].Effect, 1e-5f);
            Assert.Equal((together[i].IsExact, together[i].Levels), (alone[0].IsExact, alone[0].Levels));
        }
    }

    [Fact]
    public void A_node_says_what_it_was_found_by_and_how_far_the_levels_disagree()
    {
        using var model = bundle.Open();
        var graph = Find(model, new() { ExactDepth = 1 });
        var linear = Find(model, new());
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            var isExact = node.Site.Layer == 1;
            Assert.Equal(isExact ? "exact" : "depth-1", node.Method);
            Assert.Equal(linear.Nodes[i].Effect, node.Attribution, 1e-5f);
            Assert.Equal(isExact ? 0 : Math.Abs(node.Effect - node.Attribution), node.EffectError, 1e-5f);
            Assert.Equal(isExact, !float.IsNaN(node.Exact));
        }
        Assert.Contains(graph.Nodes, n => n.Method == "depth-1" && n.EffectError > 1e-4);
    }

    [Fact]
    public void A_depth_beyond_the_model_is_refused_in_one_line()
    {
        using var model = bundle.Open();
        var e = Assert.Throws<AttributionException>(() => Find(model, new() { ExactDepth = 3 }));
        Assert.Equal("no node of a model of 2 blocks can be run 3 deep; give a depth from 0 to 2", e.Message);
        Assert.Throws<AttributionException>(() => Find(model, new() { ExactDepth = -1 }));
        Assert.Throws<AttributionException>(() => Find(model, new() { ExactDepth = 1, Method = EffectMethod.Ig }));
        Assert.Throws<AttributionException>(() => Find(model, new() { ExactDepth = 1, Refine = 4 }));
    }

    internal static CausalGraph Find(LoadedModel model, GraphOptions options) =>
        GraphFinder.Find(model, s_tokens, null, options.Linear().KeepingAll());
}
