using OnnxAttribution.Attribution;
using OnnxAttribution.Bench;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Graphs that PyTorch 1.13's exporter wrote, adopted, against that PyTorch in float64.</summary>
public sealed class ForeignGraphTests(ForeignBundles bundles) : IClassFixture<ForeignBundles>
{
    // float32 against float64, of the largest of its kind (design.md); these models are far smaller than GPT-2
    private const double Tolerance = 1e-4;

    [Theory, MemberData(nameof(ForeignModel.Names), MemberType = typeof(ForeignModel))]
    public void Logits_are_the_foreign_graphs_own_for_any_batch_and_length(string name)
    {
        var model = bundles[name];
        using var session = new PlainSession(model.Bundle);
        foreach (var (batch, length) in ((int, int)[])[(1, 1), (1, 24), (3, 7)])
        {
            var tokens = Enumerable.Range(0, batch * length).Select(i => i * 37 % 257).ToArray();
            Close(model.OriginalLogits(Array.ConvertAll(tokens, t => (long)t), batch),
                session.Run(tokens, null, batch, "logits")["logits"].Values, 1e-5);
        }
    }

    [Theory, MemberData(nameof(ForeignModel.NamesWithHalf), MemberType = typeof(ForeignModel))]
    public void Effects_and_edges_are_pytorchs(string name)
    {
        var foreign = bundles[name];
        var golden = ForeignGolden.Read(foreign.Family);
        using var model = Open(foreign);
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            new GraphOptions(new(MetricKind.LogitDiff, Target: golden.Target, Foil: golden.Foil)).Linear().KeepingAll());
        Assert.Equal(golden.Metric, graph.CleanMetric, 1e-4);
        Assert.Equal(golden.Effects.Keys, model.Selected.Select(s => s.Name));
        Close(golden.Effects.SelectMany(e => e.Value), graph.Nodes.Select(n => (double)n.Effect), Tolerance);
        var found = graph.Edges.ToDictionary(
            e => (graph.Nodes[e.Up].Site.Name, graph.Nodes[e.Up].Position, e.Down == CausalEdge.Metric
                ? "metric"
                : graph.Nodes[e.Down].Site.Name, e.Down == CausalEdge.Metric ? graph.Metric.Position : graph.Nodes[e.Down].Position),
            e => (double)e.Effect);
        var keys = golden.Edges.Keys.Union(found.Keys).ToList();
        Close(keys.Select(k => golden.Edges.GetValueOrDefault(k)), keys.Select(k => found.GetValueOrDefault(k)), Tolerance);
    }

    [Theory, MemberData(nameof(ForeignModel.NamesWithHalf), MemberType = typeof(ForeignModel))]
    public void Exact_edges_and_effects_are_those_of_passes(string name)
    {
        using var model = Open(bundles[name]);
        var golden = ForeignGolden.Read(bundles[name].Family);
        Invariants.ExactEdgesByPasses.Agree(model, golden.Tokens, null);
        Invariants.EffectsByPasses.Agree(model, golden.Tokens, null);
    }

    public static TheoryData<string, string> Cuts
    {
        get
        {
            var cuts = new TheoryData<string, string>();
            foreach (var name in (string[])["gpt2-13", "llama-17", "neox-16", "gpt2-ort", "neox-ort", "groups-ort", "llama-past",
                "groups-ort-past", "fp16-llama", "bf16-neox"])
            {
                foreach (var sites in (string[])["resid,attn,mlp", "resid", "mlp", "attn"]) cuts.Add(name, sites);
            }
            return cuts;
        }
    }

    [Theory, MemberData(nameof(Cuts))]
    public void Every_estimator_conserves_at_every_cut(string name, string sites)
    {
        var foreign = bundles[name];
        using var model = Open(foreign, sites.Split(','));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            var graph = GraphFinder.Find(model, [256, 3, 200, 17, 3], null,
                new GraphOptions(new(MetricKind.Logprob), Estimator: estimator).Linear().KeepingAll());
            Assert.Contains(graph.Nodes, n => n.Effect != 0);
            Assert.InRange(graph.ConservationViolation!.Value, 0, Tolerance);
        }
    }

    [Theory, MemberData(nameof(ForeignModel.NamesWithHalf), MemberType = typeof(ForeignModel))]
    public void An_exact_effect_is_what_a_scale_of_zero_does_in_a_plain_session(string name)
    {
        var foreign = bundles[name];
        var golden = ForeignGolden.Read(foreign.Family);
        using var model = Open(foreign);
        using var session = new PlainSession(foreign.Bundle);
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            new GraphOptions(new(MetricKind.LogitDiff, Target: golden.Target, Foil: golden.Foil), EffectMethod.Exact).KeepingAll());
        var plain = graph.Nodes.Select(n => Metric(session, golden, n, 0) - Metric(session, golden, n, 1));
        Close(plain, graph.Nodes.Select(n => (double)n.Effect), Tolerance);
    }

    [Theory, MemberData(nameof(ForeignModel.NamesWithHalf), MemberType = typeof(ForeignModel))]
    public void An_effect_is_the_slope_of_the_metric_along_a_scale(string name)
    {
        var foreign = bundles[name];
        var golden = ForeignGolden.Read(foreign.Family);
        using var model = Open(foreign);
        using var session = new PlainSession(foreign.Bundle);
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            new GraphOptions(new(MetricKind.LogitDiff, Target: golden.Target, Foil: golden.Foil)).Linear().KeepingAll());
        const float Step = 0.01f;
        var slopes = graph.Nodes.Select(n => (Metric(session, golden, n, 1 - Step) - Metric(session, golden, n, 1 + Step)) / (2 * Step));
        // central differences of float32 logits: rounding 1e-6 over a step of 0.02, and the third derivative
        Close(slopes, graph.Nodes.Select(n => (double)n.Effect), 5e-3);
    }

    [Fact]
    public void A_graph_of_torch_costs_what_our_own_of_the_same_model_costs()
    {
        using var directory = new TemporaryDirectory();
        SyntheticCheckpoint.WriteModel(directory["own"],
            new SyntheticShape(Layers: 2, Width: 8, Heads: 4, Vocabulary: 257, Context: 24, Features: 4));
        BundleWriter.Write(new ExportOptions(directory["own"], null, directory["bundle"]));
        using var own = LoadedModel.Open(directory["bundle"], null, new RunContext(threads: 1));
        int[] tokens = [256, 3, 200, 17, 3, 9];
        // a past that is empty costs nothing either
        foreach (var name in (string[])["gpt2-13", "gpt2-17", "gpt2-past"])
        {
            var foreign = bundles[name];
            using var model = Open(foreign);
            var options = new GraphOptions().Linear().KeepingAll();
            var (theirs, ours) = (GraphFinder.Find(model, tokens, null, options), GraphFinder.Find(own, tokens, null, options));
            // MLPs on gathered rows, attention met at q, k and v: nothing less is found in shapes that were computed at run time
            Assert.Equal((ours.Operations, ours.RuntimeCalls), (theirs.Operations, theirs.RuntimeCalls));
        }
    }

    private static LoadedModel Open(ForeignModel foreign, params string[] sites) =>
        LoadedModel.Open(foreign.Bundle, sites, new RunContext(threads: 1));

    // with one site scaled at one position
    private static double Metric(PlainSession session, ForeignGolden golden, CausalNode node, float scale)
    {
        var scales = Enumerable.Repeat(1f, golden.Tokens.Length).ToArray();
        scales[node.Position] = scale;
        var feeds = new Dictionary<string, (long[], float[])> { [node.Site.Name + ".scale"] = ([1, scales.Length, 1], scales) };
        var logits = session.Run(golden.Tokens, feeds, 1, "logits")["logits"].Values.AsSpan(^golden.Logits.Length..);
        return (double)logits[golden.Target] - logits[golden.Foil];
    }

    private static void Close(IEnumerable<float> expected, IEnumerable<float> actual, double tolerance) =>
        Close(expected.Select(x => (double)x), actual.Select(x => (double)x), tolerance);

    // of the largest
    private static void Close(IEnumerable<double> expected, IEnumerable<double> actual, double tolerance)
    {
        double[] e = [.. expected], a = [.. actual];
        Assert.Equal(e.Length, a.Length);
        var largest = e.Max(Math.Abs);
        Assert.True(largest > 0);
        for (var i = 0; i < e.Length; i++)
        {
            Assert.True(Math.Abs(e[i] - a[i]) <= tolerance * largest, $"entry {i} is {a[i]}, not {e[i]} (largest {largest})");
        }
    }
}
