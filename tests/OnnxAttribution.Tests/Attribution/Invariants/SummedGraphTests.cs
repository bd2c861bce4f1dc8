using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What is kept of a graph summed over positions is chosen by the sums, and says nothing about what they are.</summary>
public sealed class SummedGraphTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // of central differences
    private const float Step = 0.005f;

    public static TheoryData<int?, float, int?, float> Selections => new()
    {
        { 3, 0, null, 0 }, { 1, 0, 40, 0 }, { null, 0.02f, null, 0 }, { 5, 0.01f, null, 0.01f }, { null, 0, 25, 0 }, { 0, 0, null, 0 },
    };

    [Theory, InlineData(false), InlineData(true)]
    public void With_everything_kept_it_is_the_sum_of_the_graph_over_positions(bool patched)
    {
        using var model = bundle.Open();
        var plain = Random2Bundle.All(model, bundle.Tokens, Patch(patched));
        var summed = Summed(model, patched, new GraphOptions().KeepingAll());
        Close(plain.Nodes.GroupBy(n => (n.Site, n.Feature)).ToDictionary(g => g.Key, g => g.Sum(n => (double)n.Effect)),
            summed.Nodes.ToDictionary(n => (n.Site, n.Feature), n => n.Effect));
        Close(plain.Nodes.GroupBy(n => (n.Site, n.Feature)).ToDictionary(g => g.Key, g => g.Sum(n => (double)n.Activation)),
            summed.Nodes.ToDictionary(n => (n.Site, n.Feature), n => n.Activation));
        Close(plain.Edges.GroupBy(e => Ends(plain, e)).ToDictionary(g => g.Key, g => g.Sum(e => (double)e.Effect)),
            summed.Edges.ToDictionary(e => Ends(summed, e), e => e.Effect));
        Assert.All(summed.Nodes, n => Assert.Equal((TokenPosition.All, true, true), (n.Position, n.Kept, float.IsNaN(n.Gradient))));
        Assert.All(summed.Edges, e => Assert.True(float.IsNaN(e.Jacobian)));
        Assert.InRange(summed.ConservationViolation!.Value, 0, 1e-4);
    }

    [Theory, MemberData(nameof(Selections))]
    public void The_strongest_sums_are_kept_and_every_edge_between_them_is_the_whole_sum(int? topNodes, float nodeThreshold, int? topEdges,
        float edgeThreshold)
    {
        using var model = bundle.Open();
        foreach (var patched in (bool[])[false, true])
        {
            var all = Summed(model, patched, new GraphOptions().KeepingAll());
            var some = Summed(model, patched, new GraphOptions(TopNodes: topNodes, NodeThreshold: nodeThreshold, TopEdges: topEdges,
                EdgeThreshold: edgeThreshold, Prune: false));
            Assert.Equal(all.Nodes.Select(n => n with { Kept = false }), some.Nodes.Select(n => n with { Kept = false }));
            foreach (var site in all.Nodes.GroupBy(n => n.Site))
            {
                var reach = site.Where(n => Math.Abs(n.Effect) >= nodeThreshold).ToList();
                var expected = reach.Where(n => !n.IsError)
                    .OrderByDescending(n => Math.Abs(n.Effect))
                    .Take(topNodes ?? int.MaxValue)
                    .Concat(reach.Where(n => n.IsError));
                Assert.Equal(expected.Select(n => n.Feature).Order(),
                    some.Nodes.Where(n => n.Site == site.Key && n.Kept).Select(n => n.Feature).Order());
            }
            var between = all.Edges.Where(e => some.Nodes[e.Up].Kept && (e.Down == CausalEdge.Metric || some.Nodes[e.Down].Kept))
                .ToDictionary(e => (e.Up, e.Down), e => (double)e.Effect);
            var found = some.Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
            var largest = all.Edges.Max(e => Math.Abs(e.Effect));
            Assert.All(found, e => Assert.Equal(between[e.Key], e.Value, 1e-6 * largest));
            // and none that belongs there is missing
            var last = found.Values.Select(Math.Abs).DefaultIfEmpty(0).Min();
            Assert.Equal(Math.Min(topEdges ?? int.MaxValue, between.Count(e => Math.Abs(e.Value) >= edgeThreshold)), found.Count,
                (a, b) => Math.Abs(a - b) <= 1);   // an edge at the threshold
            Assert.All(between.Where(e => !found.ContainsKey(e.Key)),
                e => Assert.InRange(Math.Abs(e.Value), 0, Math.Max(edgeThreshold, last) + (1e-6 * largest)));
        }
    }

    [Fact]
    public void Pruning_keeps_exactly_what_lies_on_a_path_to_the_metric()
    {
        using var model = bundle.Open();
        var options = new GraphOptions(TopNodes: 4, TopEdges: 40, Prune: false);
        var (whole, pruned) = (Summed(model, false, options), Summed(model, false, options with { Prune = true }));
        var reached = new HashSet<int> { CausalEdge.Metric };
        while (whole.Edges.Any(e => reached.Contains(e.Down) && reached.Add(e.Up))) { }
        Assert.Equal(reached.Where(i => i >= 0).Order(), Enumerable.Range(0, pruned.Nodes.Count).Where(i => pruned.Nodes[i].Kept));
        Assert.Equal(whole.Edges.Where(e => reached.Contains(e.Down)).Select(e => (e.Up, e.Down)).Order(),
            pruned.Edges.Select(e => (e.Up, e.Down)).Order());
    }

    [Theory, InlineData("blocks.0.hook_mlp_out", 43, "blocks.1.hook_resid_pre", 414, 1.0221),
        InlineData("blocks.1.hook_attn_out", 444, "blocks.2.hook_resid_pre", 428, 0.3269),
        InlineData("blocks.1.hook_attn_out", 827, "blocks.2.hook_resid_pre", 428, 0.15)]
    public void A_summed_edge_is_what_finite_differences_of_real_interventions_give(string up, int upFeature, string down, int downFeature,
        double expected)
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        var tokens = PromptTokens.Of(new PromptTask("Copyright (C"), Tokenizer.Open(model.Directory), prependBos: true).Clean;
        var plain = GraphFinder.Find(model, tokens, null, new GraphOptions().Linear());
        var differences = Differences(model, tokens, plain.Metric, (up, upFeature), (down, downFeature));
        Assert.Equal(expected, differences, 0.002);
        foreach (var options in (GraphOptions[])[new GraphOptions().KeepingAll(), new GraphOptions(), new GraphOptions(TopNodes: 7),
            new GraphOptions(TopNodes: null, NodeThreshold: 0.2f)])
        {
            var graph = GraphFinder.FindSummed(model, tokens, null, options.Linear());
            var edge = Assert.Single(graph.Edges, e => Ends(graph, e) == $"{up}:{upFeature} > {down}:{downFeature}");
            Assert.Equal(expected, edge.Effect, 5e-5);
        }
    }

    [Theory, InlineData("random2-all-zero"), InlineData("random2-all-patch")]
    public void Summed_edges_between_the_kept_are_PyTorchs_in_double_added_up(string name)
    {
        using var directory = new TemporaryDirectory();
        using var golden = GoldenCase.Open(name);
        using var model = golden.OpenModel(directory);
        foreach (var run in golden.Runs("edges").Where(r => r.Method == "atp"))
        {
            var graph = GraphFinder.FindSummed(model, golden.Tokens, golden.PatchTokens,
                GoldenTests.OptionsOf(golden, run.Method, run.Metric) with { TopNodes = 4, TopEdges = null, Prune = false });
            var sums = new Dictionary<string, double>();
            foreach (var (up, down) in golden.Pairs)
            {
                var (values, ups, downs) = (golden[$"{run.Method}/{run.Metric}/edge/{up}->{down}"], golden[$"nodes/feature/{up}"],
                    golden[$"nodes/feature/{down}"]);
                for (var i = 0; i < values.Length; i++)
                {
                    var ends = $"{up}:{(int)ups[i % ups.Length]} > {down}:{(int)downs[i / ups.Length]}";
                    sums[ends] = sums.GetValueOrDefault(ends) + values[i];
                }
            }
            var (found, largest) = (graph.Edges.Where(e => e.Down != CausalEdge.Metric).ToList(), sums.Values.Max(Math.Abs));
            Assert.True(found.Count > 100);
            Assert.All(found, e => Assert.Equal(sums[Ends(graph, e)], e.Effect, 1e-4 * largest));
        }
    }

    /// <summary>
    /// Σ over positions of −f_up · ∂f_down/∂f_up · ∂m/∂f_down by central differences: an activation is really scaled by 1 ± h,
    /// all other selected sites stay at their clean values up to the downstream one, and for the metric the model runs on from there.
    /// </summary>
    private static double Differences(LoadedModel model, int[] tokens, Metric metric, (string Site, int Feature) up,
        (string Site, int Feature) down)
    {
        using var clean = ActivationCache.Of(model, tokens);
        var gradient = MetricDifferences(clean, Activations(model, clean[down.Site].ToArray(), down, tokens.Length), metric, down);
        double sum = 0;
        for (var p = 0; p < tokens.Length; p++)
        {
            using var pass = clean.Intervene(rows: 2);
            foreach (var at in pass.From(up.Site))
            {
                if (at.Site.Name == up.Site)
                {
                    at.Scale(up.Feature, 1 + Step, p, 0);
                    at.Scale(up.Feature, 1 - Step, p, 1);
                }
                else if (at.Site.Name != down.Site)
                {
                    at.Restore();
                }
                else
                {
                    var x = at.Value;
                    var (more, less) = (Activations(model, x[..(x.Length / 2)], down, tokens.Length),
                        Activations(model, x[(x.Length / 2)..], down, tokens.Length));
                    for (var q = 0; q < tokens.Length; q++) sum -= gradient[q] * (more[q] - less[q]) / (2.0 * Step);
                    break;
                }
            }
        }
        return sum;
    }

    // for each downstream position ∂m/∂f_down
    private static double[] MetricDifferences(ActivationCache clean, float[] activations, Metric metric, (string Site, int Feature) down)
    {
        var gradient = new double[activations.Length];
        foreach (var q in Enumerable.Range(0, activations.Length).Where(q => activations[q] > 0))
        {
            using var pass = clean.Intervene(rows: 2);
            var at = pass.From(down.Site).First();
            at.Scale(down.Feature, 1 + Step, q, 0);
            at.Scale(down.Feature, 1 - Step, q, 1);
            var logits = pass.Logits(metric.Position);
            gradient[q] = (logits[metric.Target] - logits[(logits.Length / 2) + metric.Target]) / (2.0 * Step * activations[q]);
        }
        return gradient;
    }

    private static float[] Activations(LoadedModel model, float[] x, (string Site, int Feature) of, int positions)
    {
        var encoding = model.Encoder.Encode(model.DictionaryOf(model.Bundle.SiteNamed(of.Site))!, x, positions);
        return [.. Enumerable.Range(0, positions).Select(t => encoding.ActivationOf(t, of.Feature))];
    }

    private CausalGraph Summed(LoadedModel model, bool patched, GraphOptions options) =>
        GraphFinder.FindSummed(model, bundle.Tokens, Patch(patched), options.Linear());

    private int[]? Patch(bool patched) => patched ? bundle.PatchTokens : null;

    private static string Ends(CausalGraph graph, CausalEdge e) =>
        $"{Name(graph.Nodes[e.Up])} > {(e.Down == CausalEdge.Metric ? "metric" : Name(graph.Nodes[e.Down]))}";

    private static string Name(CausalNode n) => $"{n.Site.Name}:{n.Feature}";

    private static void Close<T>(Dictionary<T, double> expected, Dictionary<T, float> actual) where T : notnull
    {
        Assert.Equal(expected.Keys.ToHashSet(), actual.Keys.ToHashSet());
        var largest = expected.Values.Max(Math.Abs);
        Assert.All(expected, e => Assert.Equal(e.Value, actual[e.Key], 1e-6 * largest));
    }
}
