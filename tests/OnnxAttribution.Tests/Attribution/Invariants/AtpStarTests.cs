using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>AtP* beside what it is made of: attribution patching, real patches, and the graph of one attention.</summary>
public sealed class AtpStarTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // an exact effect is a difference of two metrics in float32
    private const double Tolerance = 1e-5;

    /// <summary>Queries alone, or keys alone, read what the patch moves; all else of the model is linear.</summary>
    [Theory, InlineData("Wq"), InlineData("Wk")]
    public void Where_all_that_bends_is_one_pattern_the_fix_is_exact(string moving)
    {
        using var sketch = AttentionSketch.Model(moving);
        using var model = LoadedModel.Open(sketch.Bundle, ["blocks.0.hook_resid_pre"], new RunContext(threads: 1));
        int[] tokens = [1, 2, 3, 4, 5], patch = [101, 102, 103, 104, 105];
        var options = new GraphOptions(new(MetricKind.LogitDiff, Target: 7, Foil: 8));
        var state = PatchingState.Run(model, tokens, patch, options);
        state.Expand();
        var found = new AtpStarEffects(state);
        found.Find();
        var exact = Effects(model, tokens, patch, options with { Method = EffectMethod.Exact });
        GraphComparison.Numbers(exact, found.Undropped.Select(e => (float)e), Tolerance, "effects");
        // a straight line is far from it
        var linear = Effects(model, tokens, patch, options);
        Assert.Contains(exact.Zip(linear), e => Math.Abs(e.First - e.Second) > 0.1 * exact.Max(Math.Abs));
    }

    // of one block, a pass that drops what it adds leaves the residual connection
    [Fact]
    public void With_one_block_a_node_of_the_stream_keeps_what_goes_around_the_block()
    {
        using var sketch = AttentionSketch.Model("Wq");
        string[] sites = ["blocks.0.hook_resid_pre", "blocks.0.hook_attn_out"];
        using var model = LoadedModel.Open(sketch.Bundle, sites, new RunContext(threads: 1));
        int[] tokens = [1, 2, 3, 4, 5], patch = [101, 102, 103, 104, 105];
        var options = new GraphOptions(new(MetricKind.LogitDiff, Target: 7, Foil: 8), EffectMethod.Atpstar);
        var graph = GraphFinder.Find(model, tokens, patch, options.KeepingAll());
        var plain = GraphFinder.Find(model, tokens, patch, (options with { Method = EffectMethod.Atp }).Linear().KeepingAll());
        var around = plain.Edges.Where(e => e.Down == CausalEdge.Metric).ToDictionary(e => e.Up, e => Math.Abs(e.Effect));
        Assert.Equal(2 * tokens.Length, graph.Nodes.Count);
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            // no pass is left for what the block adds: attribution patching stands
            Assert.Equal(around.GetValueOrDefault(i), Math.Abs(graph.Nodes[i].Effect), Tolerance);
        }
    }

    [Fact]
    public void Gradients_and_edges_are_those_of_attribution_patching()
    {
        using var model = bundle.Open();
        var (atp, star) = (Graph(model, EffectMethod.Atp), Graph(model, EffectMethod.Atpstar));
        GraphComparison.Numbers(atp.Nodes.Where(n => !n.IsError).Select(n => n.Gradient),
            star.Nodes.Where(n => !n.IsError).Select(n => n.Gradient), Tolerance, "gradients");
        GraphComparison.SameEdges(atp.EdgesByName(), star.EdgesByName(), Tolerance);
        Assert.NotEqual(atp.Nodes.Sum(n => Math.Abs(n.Effect)), star.Nodes.Sum(n => Math.Abs(n.Effect)), tolerance: 1e-2);
        Assert.Null(star.ConservationViolation);
    }

    // two blocks: of what a block adds, the pass that drops the other block counts
    [Fact]
    public void A_node_that_nothing_bends_or_drops_has_its_plain_effect()
    {
        using var model = bundle.Open();
        var (atp, star) = (Graph(model, EffectMethod.Atp), Graph(model, EffectMethod.Atpstar));
        string[] behind = ["blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"];
        GraphComparison.Numbers(EffectsAt(atp, behind), EffectsAt(star, behind), Tolerance, "effects behind the last block");
    }

    [Fact]
    public void Memory_changes_the_number_of_runs_and_nothing_else()
    {
        using var model = bundle.Open();
        var whole = Graph(model, EffectMethod.Atpstar);
        var runs = new HashSet<int> { whole.RuntimeCalls };
        try
        {
            for (var budget = 1L << 20; ; budget /= 2)
            {
                using var small = bundle.OpenWithin(budget);
                var chunked = Graph(small, EffectMethod.Atpstar);
                runs.Add(chunked.RuntimeCalls);
                GraphComparison.Numbers(whole.Nodes.Select(n => n.Effect), chunked.Nodes.Select(n => n.Effect), Tolerance, "effects");
            }
        }
        catch (MemoryBudgetException)
        {
            Assert.True(runs.Count > 2, $"{string.Join(", ", runs)} calls of the runtime");
        }
    }

    [Fact]
    public void Without_the_stream_behind_a_block_atpstar_is_refused_with_the_site_that_lacks()
    {
        using var sketch = AttentionSketch.Model("Wq", withPost: false);
        using var model = LoadedModel.Open(sketch.Bundle, [], new RunContext(threads: 1));
        var e = Assert.Throws<AttributionException>(() => Graph(model, EffectMethod.Atpstar, [1, 2, 3], null));
        Assert.Contains("blocks.0.hook_resid_post", e.Message);
        Assert.Contains("use another method", e.Message);
        Assert.Equal([Setting.Method], e.Settings);
    }

    private CausalGraph Graph(LoadedModel model, EffectMethod method) => Graph(model, method, bundle.Tokens, bundle.PatchTokens);

    private static CausalGraph Graph(LoadedModel model, EffectMethod method, int[] tokens, int[]? patch) =>
        Random2Bundle.All(model, tokens, patch, new GraphOptions(new(MetricKind.LogitDiff), method));

    private static float[] Effects(LoadedModel model, int[] tokens, int[] patch, GraphOptions options) =>
        [.. GraphFinder.Find(model, tokens, patch, options.Linear().KeepingAll()).Nodes.Select(n => n.Effect)];

    private static float[] EffectsAt(CausalGraph graph, string[] sites) =>
        [.. graph.Nodes.Where(n => sites.Contains(n.Site.Name)).Select(n => n.Effect)];
}
