using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Refining measures the strongest nodes, leaves the others as they were, and stops when there is nothing left to win.</summary>
public sealed class RefinementTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    private static readonly int[] s_tokens = [256, 1, 2, 3, 4];

    [Theory, InlineData(1), InlineData(5), InlineData(24)]
    public void Every_node_has_the_best_number_known(int budget)
    {
        using var model = bundle.Open();
        var (refined, linear) = (Find(model, new() { Refine = budget }), Find(model, new()));
        var (exact, shallow) = (Find(model, new() { Method = EffectMethod.Exact }), Find(model, new() { ExactDepth = 1 }));
        for (var i = 0; i < refined.Nodes.Count; i++)
        {
            var node = refined.Nodes[i];
            var expected = node.Method switch
            {
                "exact" => exact.Nodes[i].Effect,
                "depth-1" => shallow.Nodes[i].Effect,
                _ => linear.Nodes[i].Effect,
            };
            Assert.Equal(expected, node.Effect, 2e-5f);
            Assert.Equal(linear.Nodes[i].Effect, node.Attribution, 2e-5f);
            Assert.Equal(node.Method == "exact" ? node.Effect : float.NaN, node.Exact);
            if (node.Method == "exact") Assert.Equal(0, node.EffectError);
            else Assert.True(node.EffectError > 0 || node.Gradient == 0 || float.IsNaN(node.Gradient));
            Assert.Equal(-node.Effect, node.Contribution);
        }
        Assert.Equal(refined.Nodes.Count(n => n.Method == "exact"), refined.ExactNodes);
        Assert.Equal(refined.Nodes.Count(n => n.Method == "depth-1"), refined.MovedNodes);
        Assert.InRange(refined.ExactNodes + refined.MovedNodes, budget, 9 * budget);
    }

    [Fact]
    public void The_strongest_nodes_are_exact()
    {
        using var model = bundle.Open();
        var exact = Find(model, new() { Method = EffectMethod.Exact }).Nodes;
        var refined = Find(model, new() { Refine = 32 }).Nodes;
        var strongest = Enumerable.Range(0, exact.Count).OrderByDescending(i => Math.Abs(exact[i].Effect)).Take(10);
        Assert.All(strongest, i => Assert.Equal("exact", refined[i].Method));
    }

    private static (GraphOptions Options, int Expected)[] Defaults =>
    [
        (new(), GraphOptions.DefaultRefine), (new(Edges: EdgeMethod.Exact), GraphOptions.DefaultRefine), (new() { Refine = 0 }, 0),
        (new() { Refine = 5 }, 5), (new(Estimator: Estimator.Relp), 0), (new(Estimator: Estimator.Relp) { Refine = 5 }, 5),
        (new(Method: EffectMethod.Ig), 0), (new(Method: EffectMethod.Ig) { Refine = 5 }, 5), (new(Method: EffectMethod.Atpstar), 0),
        (new(Method: EffectMethod.Exact), 0), (new() { ExactDepth = 0 }, 0), (new() { ExactDepth = 0, Refine = 5 }, 5),
        (new() { ExactDepth = 1 }, 0),
    ];

    // who chooses how effects are estimated gets them as estimated
    [Fact]
    public void Nodes_are_refined_unless_another_estimate_was_chosen()
    {
        using var model = bundle.Open("resid");
        foreach (var (options, expected) in Defaults)
        {
            Assert.Equal(expected, options.RefinedNodes);
            var asked = GraphFinder.Find(model, s_tokens, null, options);
            var said = GraphFinder.Find(model, s_tokens, null, options with { Refine = expected });
            GraphComparison.Same(said, asked, 1e-6);
            Assert.Equal(said.Nodes.Select(n => n.Method), asked.Nodes.Select(n => n.Method));
            Assert.Equal((said.MovedNodes, said.ExactNodes), (asked.MovedNodes, asked.ExactNodes));
            if (options is { Method: not EffectMethod.Exact, ExactDepth: not 1 }) Assert.Equal(expected > 0, asked.ExactNodes > 0);
        }
    }

    // where nothing moves, the first round leaves the order as it was
    [Fact]
    public void It_stops_when_a_round_leaves_the_order_as_it_was()
    {
        using var model = bundle.Open("blocks.0.hook_resid_pre");
        var graph = GraphFinder.Find(model, s_tokens, s_tokens, new GraphOptions { Refine = 20 }.KeepingAll());
        Assert.Equal(5, graph.ExactNodes);
        Assert.All(graph.Nodes, n => Assert.Equal(0, n.Effect));
    }

    // behind the last block one block deep is all the way
    [Fact]
    public void Nothing_is_run_all_the_way_twice()
    {
        using var model = bundle.Open("blocks.1.hook_resid_post");
        var graph = Find(model, new() { Refine = 1000 });
        Assert.Equal((0, graph.Nodes.Count), (graph.MovedNodes, graph.ExactNodes));
    }

    [Fact]
    public void Edges_count_a_measured_node_by_its_secant()
    {
        using var model = bundle.Open();
        var (refined, linear) = (Find(model, new() { Refine = 24 }), Find(model, new()));
        var jacobians = linear.EdgesByName();
        var seen = 0;
        foreach (var (ends, edge) in refined.EdgesByName())
        {
            if (edge.Down == CausalEdge.Metric || float.IsNaN(edge.Jacobian) || !jacobians.TryGetValue(ends, out var before)) continue;
            var (up, down) = (refined.Nodes[edge.Up], refined.Nodes[edge.Down]);
            var slope = down.Method is "exact" or "depth-1" ? down.Effect / (down.PatchActivation - down.Activation) : down.Gradient;
            Assert.Equal(before.Jacobian, edge.Jacobian, 1e-4f * (1 + Math.Abs(before.Jacobian)));
            Assert.Equal(edge.Jacobian * slope * (up.PatchActivation - up.Activation), edge.Effect, 1e-4f * (1 + Math.Abs(edge.Effect)));
            if (down.Method == "exact") seen++;
        }
        Assert.True(seen > 20);
    }

    [Fact]
    public void The_gradient_of_a_measured_error_node_makes_its_effect()
    {
        using var model = bundle.Open();
        var state = PatchingState.Run(model, s_tokens, null, new GraphOptions());
        state.Expand();
        var nodes = state.Effects();
        var site = state.Sites[2];
        for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
        {
            if (!nodes[i].IsError) continue;
            var moved = nodes[i] with { Effect = nodes[i].Effect + 0.7f, Method = NodeMethods.Exact };
            var effect = 0f;
            for (var d = 0; d < site.Width; d++) effect += site.GradientFor(moved)[d] * site.ErrorChangeAt(moved.Position)[d];
            Assert.Equal(moved.Effect, effect, 1e-4f);
            Assert.Equal(site.GradientAt(moved.Position).ToArray(), site.GradientFor(nodes[i]).ToArray());
        }
    }

    [Fact]
    public void The_last_nodes_edges_into_the_metric_are_their_effects()
    {
        using var model = bundle.Open();
        var graph = Find(model, new() { Method = EffectMethod.Exact });
        var into = graph.Edges.Where(e => e.Down == CausalEdge.Metric && graph.Nodes[e.Up].Site.IsLast).ToList();
        Assert.NotEmpty(into);
        Assert.All(into, e => Assert.Equal(graph.Nodes[e.Up].Effect, e.Effect));
    }

    [Fact]
    public void A_sum_over_positions_says_that_it_mixes_methods()
    {
        using var model = bundle.Open();
        var graph = GraphFinder.FindSummed(model, s_tokens, null, new GraphOptions { Refine = 4 }.KeepingAll());
        Assert.Contains(graph.Nodes, n => n.Method == "mixed" && float.IsNaN(n.Exact));
        Assert.Contains(graph.Nodes, n => n.Method == "attribution");
    }

    [Fact]
    public void What_cannot_be_is_refused_in_one_line()
    {
        using var model = bundle.Open();
        Assert.StartsWith("-1 is no number of nodes", Refused(model, new() { Refine = -1 }));
        Assert.StartsWith("every node is really moved already", Refused(model, new() { Refine = 1, Method = EffectMethod.Exact }));
    }

    private static string Refused(LoadedModel model, GraphOptions options) =>
        Assert.Throws<AttributionException>(() => Find(model, options)).Message;

    private static CausalGraph Find(LoadedModel model, GraphOptions options) => DepthTests.Find(model, options);
}
