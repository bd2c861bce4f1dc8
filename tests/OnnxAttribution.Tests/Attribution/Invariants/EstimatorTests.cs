using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Attribution.Invariants;

public sealed class EstimatorTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // rounding of float32 sums in another order, which the runtime chooses by how its tensors lie in memory too
    private const double Tolerance = 1e-5;

    [Theory, InlineData(Estimator.Gradient), InlineData(Estimator.Relp), InlineData(Estimator.Frozen), InlineData(Estimator.Gim)]
    public void One_step_of_integrated_gradients_is_attribution_patching(Estimator estimator)
    {
        using var model = bundle.Open();
        var atp = Find(model, EffectMethod.Atp, estimator);
        GraphComparison.Same(atp, Find(model, EffectMethod.Ig, estimator), Tolerance);
    }

    [Theory, InlineData(Estimator.Relp), InlineData(Estimator.Frozen), InlineData(Estimator.Gim)]
    public void Exact_effects_know_no_estimator_but_their_edges_do(Estimator estimator)
    {
        using var model = bundle.Open("resid");
        var (truth, other) = (Find(model, EffectMethod.Exact, Estimator.Gradient), Find(model, EffectMethod.Exact, estimator));
        GraphComparison.Numbers(truth.Nodes.Select(n => n.Effect), other.Nodes.Select(n => n.Effect), Tolerance, "effects");
        // the edges' jacobians are those of this estimator; what they lead to counts as it does when it is really moved
        var jacobians = Find(model, EffectMethod.Atp, estimator).EdgesByName().ToDictionary(e => e.Key, e => e.Value.Jacobian);
        var found = other.EdgesByName().Where(e => jacobians.ContainsKey(e.Key) && !float.IsNaN(e.Value.Jacobian)).ToList();
        Assert.True(found.Count > 50);
        GraphComparison.Numbers(found.Select(e => jacobians[e.Key]), found.Select(e => e.Value.Jacobian), Tolerance, "jacobians");
        var inside = found.Select(e => e.Value).Where(e => e.Down != CausalEdge.Metric).ToList();
        GraphComparison.Numbers(inside.Select(e => e.Jacobian * Slope(other.Nodes[e.Down]) * Step(other.Nodes[e.Up])),
            inside.Select(e => e.Effect), Tolerance, "edge effects");
        Assert.NotEqual(truth.Edges.Sum(e => Math.Abs(e.Effect)), other.Edges.Sum(e => Math.Abs(e.Effect)), tolerance: 1e-3);
    }

    [Fact]
    public void Estimators_take_turns_on_one_model()
    {
        using var shared = bundle.Open();
        var graphs = new Dictionary<Estimator, CausalGraph>();
        foreach (var estimator in (Estimator[])[Estimator.Frozen, Estimator.Gradient, Estimator.Gim, Estimator.Relp, Estimator.Frozen])
        {
            using var own = bundle.Open();
            graphs[estimator] = Find(shared, EffectMethod.Atp, estimator);
            GraphComparison.Same(Find(own, EffectMethod.Atp, estimator), graphs[estimator], Tolerance);
        }
        Assert.Equal(4, graphs.Values.Select(g => Math.Round(g.Nodes.Sum(n => Math.Abs(n.Effect)), 2)).Distinct().Count());
        // the last residual site reads only the final LayerNorm, which relp, frozen and gim treat alike
        GraphComparison.Numbers(LastEffects(graphs[Estimator.Relp]), LastEffects(graphs[Estimator.Frozen]), Tolerance, "last effects");
        GraphComparison.Numbers(LastEffects(graphs[Estimator.Relp]), LastEffects(graphs[Estimator.Gim]), Tolerance, "last effects");
        Assert.NotEqual(LastEffects(graphs[Estimator.Relp]).Sum(Math.Abs), LastEffects(graphs[Estimator.Gradient]).Sum(Math.Abs),
            tolerance: 1e-3);
    }

    [Theory, InlineData(Estimator.Gradient, "hook_q,hook_k,hook_v"), InlineData(Estimator.Relp, "hook_q,hook_k,hook_v"),
        InlineData(Estimator.Gim, "hook_q,hook_k,hook_v"), InlineData(Estimator.Frozen, "hook_v")]
    public void A_frozen_graph_has_no_gradient_into_q_and_k(Estimator estimator, string reached)
    {
        using var model = bundle.Open();
        for (var block = 0; block < 2; block++)
        {
            Value[] hooks = [.. new[] { "hook_q", "hook_k", "hook_v" }.Select(h => model.Graph[$"blocks.{block}.attn.{h}"])];
            var logits = model.Graph["logits"];
            var g = new GraphBuilder("gradient/");
            var found = PullBack.FromWhole(new WalkScope(g, estimator.Rules(), hooks), logits,
                g.Input("direction", DataType.Float, [Dim.Of(1), .. logits.Shape!]), hooks);
            Assert.Equal(reached.Split(','), hooks.Where(found.ContainsKey).Select(h => h.Name.Split('.')[^1]));
        }
    }

    // a metric's own softmax is none of the attention's, and what reads it is no gate
    [Theory, InlineData(MetricKind.Prob), InlineData(MetricKind.Logprob), InlineData(MetricKind.Loss)]
    public void The_metric_keeps_its_true_derivative(MetricKind metric)
    {
        using var model = bundle.Open();
        var (relp, gim) = (Find(model, EffectMethod.Atp, Estimator.Relp, metric), Find(model, EffectMethod.Atp, Estimator.Gim, metric));
        GraphComparison.Numbers(LastEffects(relp), LastEffects(gim), Tolerance, "last effects");
    }

    [Theory, InlineData(MetricKind.LogitDiff), InlineData(MetricKind.Prob)]
    public void Effects_are_conserved_under_gim(MetricKind metric)
    {
        using var model = bundle.Open();
        Assert.InRange(Find(model, EffectMethod.Atp, Estimator.Gim, metric).ConservationViolation!.Value, 0, 1e-4);
    }

    private CausalGraph Find(LoadedModel model, EffectMethod method, Estimator estimator, MetricKind metric = MetricKind.LogitDiff) =>
        Random2Bundle.All(model, bundle.Tokens, bundle.PatchTokens,
            new GraphOptions(new(metric), method, Steps: 1, Estimator: estimator));

    private static float[] LastEffects(CausalGraph graph) =>
        [.. graph.Nodes.Where(n => n.Site.Name == "blocks.1.hook_resid_post").Select(n => n.Effect)];

    // effect per change of activation
    private static float Slope(CausalNode node) => node.Effect / Step(node);

    private static float Step(CausalNode node) => node.PatchActivation - node.Activation;
}
