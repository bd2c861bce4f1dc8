using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Attribution.Invariants;

namespace OnnxAttribution.Tests.Ablation;

/// <summary>What ablating circuits must do whatever the model.</summary>
public sealed class AblationInvariantTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    private const int Last = 3;

    public static TheoryData<object> Rules => [.. Enum.GetValues<ErrorRule>()];

    [Fact]
    public void A_coefficient_of_1_changes_nothing_and_neither_does_an_inactive_feature()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var active = Nodes(clean);
        var inactive = new Circuit(model.Selected.SelectMany(s => Enumerable.Range(0, 40)
            .Where(f => !active.Any(n => n.Site == s && n.Feature == f))
            .Select(f => new CircuitNode(s, TokenPosition.All, f))));
        Assert.NotEmpty(inactive.Nodes);
        Assert.Equal(clean.Logits(Last).ToArray(), Logits(clean, [new AblationRow(inactive, false)], Replacements.Zero(clean)));
        foreach (var keep in (bool[])[false, true])
        {
            float[] logits = [];
            new CircuitPass(clean, Replacements.Zero(clean), coefficient: 1)
                .Run(1, _ => new AblationRow(new Circuit(active.Take(5)), keep), Last, (_, _, l) => logits = l);
            Assert.Equal(clean.Logits(Last).ToArray(), logits);
        }
    }

    [Fact]
    public void Keeping_every_node_and_error_leaves_the_model_exactly_as_it_is()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var all = new Circuit(Nodes(clean));
        foreach (var values in (Replacements[])[Replacements.Zero(clean), Replacements.Patch(clean, clean)])
        {
            Assert.Equal(clean.Logits(Last).ToArray(), Logits(clean, [new AblationRow(all, true, ErrorRule.Nodes)], values));
            Assert.Equal(clean.Logits(Last).ToArray(), Logits(clean, [new AblationRow(all, true, ErrorRule.Keep)], values));
            Assert.Equal(clean.Logits(Last).ToArray(), Logits(clean, [new AblationRow(Circuit.Empty, false, ErrorRule.Keep)], values));
        }
        // with means nothing short of every feature of every dictionary will do
        var means = Replacements.Mean(clean, MeanActivations.Measure(model, [bundle.PatchTokens], bos: 256));
        var whole = new Circuit(
            model.Selected.SelectMany(s => Enumerable.Range(-1, 41).Select(f => new CircuitNode(s, TokenPosition.All, f))));
        Assert.Equal(clean.Logits(Last).ToArray(), Logits(clean, [new AblationRow(whole, true, ErrorRule.Nodes)], means));
    }

    [Theory, MemberData(nameof(Rules))]
    public void Keeping_nothing_has_faithfulness_0_and_keeping_all_1(object ruleCase)
    {
        var rule = (ErrorRule)ruleCase;
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        foreach (var kind in (AblationKind[])[AblationKind.Zero, AblationKind.Patch])
        {
            using var patch = ActivationCache.Of(model, bundle.PatchTokens);
            var points = FaithfulnessCurve.Measure(model, bundle.Tokens, new(kind, bundle.PatchTokens),
                [.. Nodes(clean).Union(Nodes(patch))], new FaithfulnessOptions([rule], Points: 4, Controls: 2));
            Assert.All(points.Where(p => p.Nodes == 0), p => Assert.Equal(0, p.Faithfulness));
            if (rule != ErrorRule.Remove) Assert.All(points.Where(p => p.Nodes == p.Of), p => Assert.Equal(1, p.Faithfulness, 1e-5));
            if (rule != ErrorRule.Remove) Assert.All(points.Where(p => p.Nodes == 0), p => Assert.Equal(1, p.Completeness, 1e-5));
            Assert.Equal(points.Count(p => p.Control is null) * 3, points.Count);
        }
    }

    [Fact]
    public void Patching_all_nodes_and_errors_of_one_site_gives_the_patch_run()
    {
        // without normalisation, where a decoder row does not depend on the run
        using var model = bundle.Open("blocks.1.hook_resid_pre");
        Assert.False(model.DictionaryOf(model.Selected[0])!.Normalization.Changes);
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        using var patch = ActivationCache.Of(model, bundle.PatchTokens);
        Close(patch.Logits(Last).ToArray(),
            Logits(clean, [new AblationRow(Circuit.Empty, true, ErrorRule.Nodes)], Replacements.Patch(clean, patch)));
    }

    [Theory, MemberData(nameof(Rules))]
    public void A_patch_run_that_is_the_clean_run_changes_nothing(object ruleCase)
    {
        var rule = (ErrorRule)ruleCase;
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var some = new Circuit(Nodes(clean).Where((_, i) => i % 3 == 0));
        foreach (var row in (AblationRow[])[new(some, true, rule), new(some, false, rule), new(Circuit.Empty, true, rule)])
        {
            Close(clean.Logits(Last).ToArray(), Logits(clean, [row], Replacements.Patch(clean, clean)));
        }
    }

    [Fact]
    public void Neither_the_chunk_nor_the_other_rows_change_a_row()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var nodes = Nodes(clean);
        AblationRow[] rows = [.. Enum.GetValues<ErrorRule>().SelectMany(rule =>
            Enumerable.Range(0, 4).Select(i => new AblationRow(new Circuit(nodes.Where((_, n) => n % 5 == i)), i % 2 == 0, rule)))];
        var values = Replacements.Mean(clean, MeanActivations.Measure(model, [bundle.PatchTokens], bos: 256));
        var metric = new Metric(MetricKind.Logprob, Last, 7, 8);
        var together = new CircuitPass(clean, values).Metrics(rows.Length, i => rows[i], metric);
        using var small = bundle.OpenWithin(1);
        using var again = ActivationCache.Of(small, bundle.Tokens);
        var calls = small.Context.Calls;
        var inChunks = new CircuitPass(again, values).Metrics(rows.Length, i => rows[i], metric);
        Assert.True(small.Context.Calls - calls > 30);
        var alone = rows.Select(r => new CircuitPass(clean, values).Metrics(1, _ => r, metric)[0]);
        for (var i = 0; i < rows.Length; i++) Assert.Equal(together[i], inChunks[i], 1e-5);
        Assert.All(alone.Zip(together), p => Assert.Equal(p.First, p.Second, 1e-5));
    }

    [Fact]
    public void Means_do_not_depend_on_how_a_text_is_cut()
    {
        int[] text = [.. Enumerable.Range(0, 70).Select(i => i * 31 % 256)];
        Assert.Equal([32, 32, 9], TextPieces.Of(text, 32, 256).Select(p => p.Length));
        Assert.Equal([32, 32, 6], TextPieces.Of(text, 32, null).Select(p => p.Length));
        Assert.Equal(text, TextPieces.Of(text, 32, 256).SelectMany(p => p[1..]));
        using var model = bundle.Open("resid");
        var means = MeanActivations.Measure(model, TextPieces.Of(text, 32, 256), bos: 256);
        Assert.Equal(70, means.Positions);
        // by hand, from the runs of the pieces
        var site = model.Selected[1];
        var sum = new double[40];
        foreach (var piece in TextPieces.Of(text, 32, 256))
        {
            using var run = ActivationCache.Of(model, piece);
            var encoding = run.Encode(site);
            for (var t = 1; t < piece.Length; t++) for (var f = 0; f < 40; f++) sum[f] += encoding.ActivationOf(t, f) / 70;
        }
        for (var f = 0; f < 40; f++) Assert.Equal(sum[f], means.At(site).Activation(f), 1e-6);
    }

    [Fact]
    public void A_metric_that_nothing_moves_has_no_faithfulness()
    {
        // position 0 sees nothing of what is kept or ablated later
        using var model = bundle.Open("blocks.0.hook_resid_pre");
        var site = model.Selected[0];
        var points = FaithfulnessCurve.Measure(model, bundle.Tokens, new(AblationKind.Patch, bundle.Tokens),
            [new CircuitNode(site, 3, 1), new CircuitNode(site, 2, 2)], new FaithfulnessOptions(Controls: 1, Metric: new(Position: 0)));
        Assert.All(points, p => Assert.True(double.IsNaN(p.Faithfulness) && double.IsNaN(p.Completeness)));
        Assert.True(double.IsNaN(FaithfulnessMean(points)));
    }

    [Theory, InlineData(100, 5, 0, 1, 5, 22, 100), InlineData(3, 12, 0, 1, 2, 3), InlineData(0, 4, 0), InlineData(9, 2, 0, 9)]
    public void Sizes_grow_from_0_to_all_by_about_a_factor(int all, int points, params int[] sizes) =>
        Assert.Equal(sizes, FaithfulnessCurve.Sizes(all, points));

    [Fact]
    public void Controls_have_the_places_and_sizes_of_the_circuit_and_other_active_features()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var nodes = Nodes(clean).Where(n => !n.IsError).GroupBy(n => (n.Site, n.Position)).Where(g => g.Count() >= 4)
            .SelectMany(g => g.Take(2)).ToList();
        var circuit = new Circuit([.. nodes.Where(n => n.Position == 2),
            .. nodes.Where(n => n.Position == 1).Select(n => n with { Position = TokenPosition.All })]);
        var controls = new ControlCircuits(clean, circuit);
        var drawn = controls.Random(seed: 4, index: 1);
        Assert.Equal(circuit.Nodes.CountBy(n => (n.Site, n.Position)).OrderBy(p => p.Key.Site.Name),
            drawn.Nodes.CountBy(n => (n.Site, n.Position)).OrderBy(p => p.Key.Site.Name));
        Assert.Empty(drawn.Nodes.Intersect(circuit.Nodes));
        var active = Nodes(clean);
        Assert.All(drawn.Nodes,
            n => Assert.Contains(active, a => a.Site == n.Site && a.Feature == n.Feature && (n.IsEverywhere || a.Position == n.Position)));
        Assert.Equal(drawn.Nodes, controls.Random(4, 1).Nodes);
        Assert.NotEqual(drawn.Nodes, controls.Random(4, 2).Nodes);
        // as large as the circuit, whatever it has at a place
        var first = controls.FirstFeatures().Nodes;
        Assert.Equal(circuit.Nodes.CountBy(n => (n.Site, n.Position)).OrderBy(p => p.Key.Site.Name),
            first.CountBy(n => (n.Site, n.Position)).OrderBy(p => p.Key.Site.Name));
        foreach (var site in model.Selected)
        {
            Assert.All(Enumerable.Range(0, bundle.Tokens.Length), t => Assert.Equal(
                Enumerable.Range(0, circuit.At(site, t).Features.Length), controls.FirstFeatures().At(site, t).Features));
        }
    }

    [Fact]
    public void Means_over_prompts_leave_out_what_is_not_defined_and_keep_controls_apart()
    {
        // m(∅) 0 and m(M) 4: f is a quarter of m(C); where both are 0 there is none
        FaithfulnessPoint Point(int? control, double circuit, double complement, double full = 4) =>
            new(AblationKind.Zero, ErrorRule.Keep, control, 3, 9, circuit, complement, 0, full);
        var mean = OnnxAttribution.Runs.FaithfulnessMean.Over([Point(null, 4, 2), Point(0, 1, 4), Point(1, 2, 4), Point(null, 2, 0),
            Point(0, 1, 0), Point(1, 4, 2), Point(null, 7, 7, full: 0), Point(0, 7, 7, full: 0)]).Single();
        Assert.Equal((0.75, 0.25), (mean.Faithfulness, mean.Completeness));
        // control 0 has 0.25 and 0.25, control 1 has 0.5 and 1: means 0.25 and 0.75
        Assert.Equal((0.5, Math.Sqrt(0.125)), (mean.Random.Mean, mean.Random.Spread));
        Assert.Equal((0.625, Math.Sqrt(2) / 8), (mean.RandomCompleteness.Mean, mean.RandomCompleteness.Spread));
    }

    [Fact]
    public void What_is_listed_for_all_positions_and_for_one_counts_there_with_both()
    {
        using var model = bundle.Open("resid");
        var site = model.Selected[1];
        var circuit =
            new Circuit([new CircuitNode(site, 2, 9), new CircuitNode(site, 2, 4), new CircuitNode(site, TokenPosition.All, 7),
                new CircuitNode(site, TokenPosition.All, 4), new CircuitNode(site, TokenPosition.All, CausalNode.Error),
                new CircuitNode(site, 3, 5)]);
        Assert.Equal([4, 7, 9], circuit.At(site, 2).Features);
        Assert.Equal([4, 5, 7], circuit.At(site, 3).Features);
        Assert.Equal([4, 7], circuit.At(site, 0).Features);
        Assert.True(circuit.At(site, 2).HasError && circuit.At(site, 0).HasError);
        Assert.Empty(circuit.At(model.Selected[0], 2).Features);
    }

    private static double FaithfulnessMean(IReadOnlyList<FaithfulnessPoint> points) =>
        OnnxAttribution.Runs.FaithfulnessMean.Over(points)[0].Faithfulness;

    private static List<CircuitNode> Nodes(ActivationCache run)
    {
        var nodes = new List<CircuitNode>();
        foreach (var site in run.Model.Selected)
        {
            var encoding = run.Encode(site);
            for (var t = 0; t < encoding.Positions; t++)
            {
                nodes.AddRange(encoding.Features[t].Append(CausalNode.Error).Select(f => new CircuitNode(site, t, f)));
            }
        }
        return nodes;
    }

    private static float[] Logits(ActivationCache clean, IReadOnlyList<AblationRow> rows, Replacements values)
    {
        float[] found = [];
        new CircuitPass(clean, values).Run(rows.Count, i => rows[i], Last, (_, _, logits) => found = logits);
        return found;
    }

    // float32 over two blocks
    private static void Close(float[] expected, float[] actual) =>
        GoldenTests.Close(Array.ConvertAll(expected, v => (double)v), actual, 1e-5, "logits");
}
