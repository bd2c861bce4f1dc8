using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Graphs with exact edges: what they are, how they are found, and what changes nothing about them.</summary>
public sealed class ExactGraphTests(Random2Bundle bundle, KindsBundle kinds) : IClassFixture<Random2Bundle>, IClassFixture<KindsBundle>
{
    public static TheoryData<string> Selections => ConservationTests.Selections;

    [Theory, MemberData(nameof(Selections))]
    public void Every_exact_edge_is_what_a_pass_of_its_own_finds(string sites)
    {
        var model = bundle.Shared(sites);
        ExactEdgesByPasses.Agree(model, bundle.Tokens, null);
        ExactEdgesByPasses.Agree(model, bundle.Tokens, bundle.PatchTokens, new GraphOptions(new(MetricKind.Logprob)));
    }

    [Theory, InlineData(null), InlineData("resid"), InlineData("attn,mlp")]
    public void Of_every_kind_of_dictionary_too(string? sites)
    {
        using var model = kinds.Open(sites?.Split(',') ?? []);
        ExactEdgesByPasses.Agree(model, kinds.Tokens, null);
        ExactEdgesByPasses.Agree(model, kinds.Tokens, kinds.PatchTokens);
    }

    [Theory]
    [InlineData(MetricKind.Logit, EffectMethod.Ig, Estimator.Gradient), InlineData(MetricKind.Kl, EffectMethod.Ig, Estimator.Gradient)]
    [InlineData(MetricKind.Prob, EffectMethod.Exact, Estimator.Gradient), InlineData(MetricKind.Loss, EffectMethod.Atp, Estimator.Frozen)]
    [InlineData(MetricKind.LogitDiff, EffectMethod.Atp, Estimator.Relp)]
    public void Methods_and_estimators_change_the_downstream_gradient_alone(MetricKind metric, EffectMethod method, Estimator estimator)
    {
        var model = bundle.Shared("resid,attn,mlp");
        ExactEdgesByPasses.Agree(model, bundle.Tokens, null, new GraphOptions(new(metric), method, Steps: 3, Estimator: estimator));
    }

    [Theory, InlineData(1), InlineData(2)]
    public void The_metric_may_be_read_before_the_last_position(int position)
    {
        var model = bundle.Shared("resid,attn,mlp");
        ExactEdgesByPasses.Agree(model, bundle.Tokens, null, new GraphOptions(new(Position: position)));
        ExactEdgesByPasses.Agree(model, [256], null);
    }

    [Fact]
    public void Jacobians_stand_beside_exact_changes_as_they_are_without_them()
    {
        var model = bundle.Shared("resid,attn,mlp");
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            var linear = Random2Bundle.All(model, bundle.Tokens, patch);
            var exact = Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(Edges: EdgeMethod.Exact));
            Assert.Equal(linear.Nodes, exact.Nodes);
            Assert.All(linear.Edges, e => Assert.True(float.IsNaN(e.Change)));
            Assert.Empty(linear.SwitchedOn);
            Assert.NotEmpty(exact.SwitchedOn);
            Assert.Null(exact.ConservationViolation);
            var jacobians = linear.Edges.ToDictionary(e => (e.Up, e.Down), e => e.Jacobian);
            Assert.All(exact.Edges, e =>
            {
                var (up, down) = (exact.Nodes[e.Up], e.Down == CausalEdge.Metric ? null : exact.Nodes[e.Down]);
                var isVector = up.IsError || down is { IsError: true };
                Assert.Equal(isVector ? float.NaN : jacobians.GetValueOrDefault((e.Up, e.Down)), e.Jacobian);
                Assert.Equal(down is null or { IsError: true }, float.IsNaN(e.Change));
            });
        }
    }

    /// <summary>change / Δ tends to the jacobian as the move shrinks; the two are found by programs that share no rule.</summary>
    [Theory, InlineData("resid"), InlineData("resid,attn,mlp"), InlineData("attn"), InlineData("mlp")]
    public void Small_moves_change_what_is_downstream_as_the_jacobian_says(string sites)
    {
        var model = bundle.Shared(sites);
        var state = PatchingState.Run(model, bundle.Tokens, null, new GraphOptions());
        state.Expand();
        var nodes = state.Effects().ConvertAll(n => n with { Kept = true });
        var jacobians = new JacobianTable(state.Sites, nodes);
        new EdgeFinder(model, state.Sites, nodes, bundle.Tokens, Estimator.Gradient).Find(jacobians.Add);
        const float share = 0.002f;   // of each move, so that its consequences are linear
        var found = new Dictionary<(int Up, int Down), float>();
        new ExactEdgeFinder(state, nodes) { Share = share }.Find(new FoundEdges(e => found[(e.Up, e.Down)] = e.Change, _ => { }));
        // what so small a move switches off has an activation near 0, and no derivative that says so
        var compared = found.Keys
            .Where(p => p.Down != CausalEdge.Metric && !nodes[p.Up].IsError && !nodes[p.Down].IsError
                && found[p] != -nodes[p.Down].Activation)
            .Select(p => (Pair: p, Move: -share * nodes[p.Up].Activation))
            .ToList();
        Assert.NotEmpty(compared);
        foreach (var site in compared.GroupBy(c => (nodes[c.Pair.Up].Site, nodes[c.Pair.Down].Site)))
        {
            GoldenTests.Close([.. site.Select(c => (double)c.Move * jacobians.Of(c.Pair.Up, c.Pair.Down))],
                site.Select(c => found[c.Pair]), 0.01, $"{site.Key}");
        }
    }

    [Theory, InlineData("resid,attn,mlp"), InlineData("resid"), InlineData("mlp")]
    public void Chunk_size_does_not_change_exact_edges(string sites)
    {
        var options = new GraphOptions(Edges: EdgeMethod.Exact);
        var whole = Random2Bundle.All(bundle.Shared(sites), bundle.Tokens, bundle.PatchTokens, options);
        foreach (var budget in (int[])[120_000, 300_000])
        {
            using var small = bundle.OpenWithin(budget, sites.Split(','));
            var chunked = Random2Bundle.All(small, bundle.Tokens, bundle.PatchTokens, options);
            Assert.True(chunked.RuntimeCalls > whole.RuntimeCalls, $"{chunked.RuntimeCalls} calls within {budget} bytes");
            GraphComparison.Same(whole, chunked, 1e-5);
        }
        using var tiny = bundle.OpenWithin(1, sites.Split(','));
        Assert.Equal([Setting.Memory], Assert.Throws<MemoryBudgetException>(() =>
            Random2Bundle.All(tiny, bundle.Tokens, null, options)).Settings);
    }

    /// <summary>A row through q, k and v, the score and pattern of a row of the batch, and W_O at the pairs that are read.</summary>
    [Fact]
    public void Only_what_a_move_reaches_is_computed()
    {
        var model = bundle.Shared("resid,attn,mlp");
        var graph = ExactGraphs.Of(model).At(0)!.Segment.Graph;   // blocks.0.hook_resid_pre: attention, MLP and the stream behind
        long Operations(long rows, long whole, long pairs) => FlopCount.Of(graph,
            new Dictionary<string, long> { ["position"] = 5, ["batch"] = 1, ["rows"] = rows, ["whole"] = whole, ["pairs"] = pairs });
        const int d = 16, heads = 4, positions = 5;
        Assert.Equal((2 * d * 3 * d) + (2 * 2 * d * 4 * d), Operations(2, 1, 1) - Operations(1, 1, 1));
        Assert.Equal(2 * 2 * heads * positions * positions * (d / heads), Operations(1, 2, 1) - Operations(1, 1, 1));
        Assert.Equal(2 * d * d, Operations(1, 1, 2) - Operations(1, 1, 1));
        Assert.Contains(ExactGraphs.Of(model).At(2)!.Segment.Children, c => c.Output is null);   // the stream: no run
    }

    [Fact]
    public void What_switches_on_is_summed_with_the_edges()
    {
        using var model = bundle.Open();
        var options = new GraphOptions(Edges: EdgeMethod.Exact).Linear().KeepingAll();
        var plain = GraphFinder.Find(model, bundle.Tokens, null, options);
        var summed = GraphFinder.FindSummed(model, bundle.Tokens, null, options);
        var expected = plain.SwitchedOn.GroupBy(s => (plain.Nodes[s.Up].Site, plain.Nodes[s.Up].Feature, s.Down))
            .ToDictionary(g => g.Key, g => g.Sum(s => (double)s.Effect));
        Assert.Equal(expected.Count, summed.SwitchedOn.Count);
        Assert.All(summed.SwitchedOn, s =>
            Assert.Equal(expected[(summed.Nodes[s.Up].Site, summed.Nodes[s.Up].Feature, s.Down)], s.Effect, 1e-5));
        Assert.All(summed.Edges, e => Assert.True(float.IsNaN(e.Change)));
    }

    [Fact]
    public void Kept_is_what_switched_on_for_a_kept_node_no_less_than_the_weakest_kept_edge()
    {
        using var model = bundle.Open();
        var all = Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(Edges: EdgeMethod.Exact));
        var some = GraphFinder.Find(model, bundle.Tokens, null,
            new GraphOptions(Edges: EdgeMethod.Exact, TopNodes: 5, TopEdges: 150).Linear());
        var least = some.Edges.Min(e => Math.Abs(e.Effect));
        Assert.NotEmpty(some.SwitchedOn);
        Assert.Equal(all.SwitchedOn.Where(s => some.Nodes[s.Up].Kept && Math.Abs(s.Effect) >= least), some.SwitchedOn);
        Assert.InRange(some.Edges.Count, 1, 150);
    }

    [Fact]
    public void Kl_with_exact_effects_is_refused_since_nothing_would_have_an_effect()
    {
        var model = bundle.Shared("resid");
        var e = Assert.Throws<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null,
            new GraphOptions(new(MetricKind.Kl), EffectMethod.Exact, Edges: EdgeMethod.Exact)));
        Assert.Equal([Setting.Edges], e.Settings);
        Assert.Contains("use the method ig", e.Message);
    }
}
