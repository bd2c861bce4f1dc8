using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>IE(u) = Σ over d of effect(u→d): to rounding error, for any cut, either ablation, any metric that has a gradient.</summary>
public sealed class ConservationTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // float32 costs 6e-5 of a site's largest edge at GPT-2-small's size (design.md); this model is far smaller
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Selections =>
    [
        "resid", "resid,attn,mlp", "attn", "mlp", "attn,mlp", "resid,mlp", "blocks.0.hook_resid_pre", "blocks.0.hook_attn_out",
        "blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.1.hook_attn_out", "blocks.1.hook_mlp_out", "blocks.1.hook_resid_post",
        "blocks.0.hook_resid_pre,blocks.1.hook_resid_post", "blocks.0.hook_mlp_out,blocks.1.hook_attn_out",
    ];

    [Theory, MemberData(nameof(Selections))]
    public void Node_effect_equals_the_sum_of_its_edge_effects(string sites)
    {
        var model = bundle.Shared(sites);
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            foreach (var metric in (MetricKind[])[MetricKind.Logit, MetricKind.LogitDiff, MetricKind.Logprob, MetricKind.Loss,
                MetricKind.Prob])
            {
                var graph = Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(new(metric)));
                Conserves(graph);
                Assert.Contains(graph.Nodes, n => n is { Effect: not 0, IsError: false });
            }
        }
    }

    [Theory, MemberData(nameof(Selections))]
    public void Every_estimator_conserves(string sites)
    {
        var model = bundle.Shared(sites);
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
            {
                foreach (var metric in (MetricKind[])[MetricKind.Logit, MetricKind.LogitDiff, MetricKind.Logprob])
                {
                    Conserves(Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(new(metric), Estimator: estimator)));
                }
            }
            Conserves(Random2Bundle.All(model, Random2Bundle.WholeContext, options: new GraphOptions(Estimator: estimator)));
            Conserves(Random2Bundle.All(model, [256], options: new GraphOptions(Estimator: estimator)));
        }
    }

    [Theory, InlineData("resid"), InlineData("resid,attn,mlp"), InlineData("mlp")]
    public void A_prompt_of_one_token_conserves(string sites)
    {
        var model = bundle.Shared(sites);
        var graph = Random2Bundle.All(model, [256]);
        Conserves(graph);
        Assert.All(graph.Nodes, n => Assert.Equal(0, n.Position));
        Conserves(Random2Bundle.All(model, [256], [17]));
    }

    [Theory, InlineData("resid"), InlineData("resid,attn,mlp"), InlineData("mlp")]
    public void A_prompt_of_the_whole_context_conserves(string sites)
    {
        var model = bundle.Shared(sites);
        Conserves(Random2Bundle.All(model, Random2Bundle.WholeContext));
        Conserves(Random2Bundle.All(model, Random2Bundle.WholeContext, [.. Random2Bundle.WholeContext.Reverse()]));
    }

    [Theory, InlineData("resid"), InlineData("resid,attn,mlp"), InlineData("attn")]
    public void Nodes_after_the_metrics_position_have_no_effect_and_no_edges(string sites)
    {
        var model = bundle.Shared(sites);
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            for (var position = 0; position < bundle.Tokens.Length; position++)
            {
                var graph = Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(new(Position: position)));
                Assert.All(graph.Nodes.Where(n => n.Position > position), n => Assert.Equal(0, n.Effect));
                Assert.All(graph.Edges,
                    e => Assert.True(graph.Nodes[e.Up].Position <= position
                        && (e.Down == CausalEdge.Metric || graph.Nodes[e.Down].Position <= position)));
                // both prompts begin with BOS, so that there is nothing to patch at position 0
                if (patch is not null && position == 0) continue;
                Assert.Contains(graph.Nodes, n => n.Position == position && n.Effect != 0);
                Conserves(graph);
            }
        }
    }

    [Fact]
    public void No_edge_leads_back_in_time_or_in_the_computation()
    {
        using var model = bundle.Open();
        var graph = Random2Bundle.All(model, bundle.Tokens, bundle.PatchTokens);
        foreach (var e in graph.Edges.Where(e => e.Down != CausalEdge.Metric))
        {
            Assert.True(graph.Nodes[e.Up].Position <= graph.Nodes[e.Down].Position);
            Assert.True(
                model.Selected.ToList().IndexOf(graph.Nodes[e.Up].Site) < model.Selected.ToList().IndexOf(graph.Nodes[e.Down].Site));
        }
    }

    [Theory, InlineData("resid,attn,mlp"), InlineData("resid"), InlineData("attn")]
    public void Clean_equal_to_patch_gives_all_zero_effects(string sites)
    {
        var model = bundle.Shared(sites);
        foreach (var method in Enum.GetValues<EffectMethod>())
        {
            var graph = Random2Bundle.All(model, bundle.Tokens, bundle.Tokens, new GraphOptions(Method: method));
            // a real patch runs in a batch of other size: rounding
            var rounding = method == EffectMethod.Exact ? 1e-5f : 0;
            Assert.All(graph.Nodes, n => Assert.InRange(n.Effect, -rounding, rounding));
            Assert.Empty(graph.Edges);
            Assert.Equal(graph.CleanMetric, graph.PatchMetric);
        }
    }

    private static void Conserves(CausalGraph graph)
    {
        var sums = new double[graph.Nodes.Count];
        foreach (var e in graph.Edges) sums[e.Up] += e.Effect;
        var largest = graph.Nodes.Max(n => Math.Abs(n.Effect));
        Assert.True(largest > 0);
        for (var i = 0; i < sums.Length; i++)
        {
            Assert.True(Math.Abs(sums[i] - graph.Nodes[i].Effect) <= Tolerance * largest,
                $"{graph.Nodes[i].Key()} has effect {graph.Nodes[i].Effect}, its edges {sums[i]} (largest {largest})");
        }
        Assert.InRange(graph.ConservationViolation!.Value, 0, Tolerance);
    }
}
