using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public sealed class ValidationTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData("resid"), InlineData("resid,attn,mlp")]
    public void Where_the_model_is_linear_approximate_values_are_the_exact_ones(string sites)
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(Linear(directory), sites.Split(','), new RunContext(threads: 1));
        foreach (var metric in (MetricKind[])[MetricKind.Logit, MetricKind.LogitDiff])
        {
            using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens, new GraphOptions(new(metric)).KeepingAll());
            var checks = run.Check(run.All(), [.. JudgedEstimator.Names.Select(n => JudgedEstimator.Parse(n, 3))]);
            Assert.Contains(checks, c => c is { IsEdge: false, ExactEffect: not 0 });
            var (effect, change) = (checks.Max(c => Math.Abs(c.ExactEffect)),
                checks.Where(c => float.IsFinite(c.ExactChange)).Select(c => Math.Abs(c.ExactChange)).DefaultIfEmpty(0).Max());
            // activations are some twenty times their changes, and exact changes differences of them in float32
            Assert.All(checks, c => Assert.True(c.Miss <= 3e-4 * effect, $"{c} (largest {effect})"));
            Assert.All(checks.Where(c => float.IsFinite(c.ApproxChange)),
                c => Assert.True(Math.Abs(c.ApproxChange - c.ExactChange) <= 3e-4 * change, $"{c} (largest {change})"));
        }
    }

    [Theory, InlineData(EffectMethod.Atp), InlineData(EffectMethod.Ig), InlineData(EffectMethod.Exact)]
    public void All_checks_every_node_and_every_edge_of_the_run(EffectMethod method)
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions(Method: method, Steps: 3).KeepingAll());
        var checks = run.Check(run.All());
        Assert.Equal(run.Graph.Nodes.Count, checks.Count(c => !c.IsEdge));
        Assert.Equal(run.Graph.Edges.Count, checks.Count(c => c.IsEdge));
        Assert.Equal(run.Graph.Nodes.Select(n => n.Effect), checks.Where(c => !c.IsEdge).Select(c => c.ApproxEffect));
        Assert.Equal(run.Graph.Edges.Select(e => e.Effect), checks.Where(c => c.IsEdge).Select(c => c.ApproxEffect));
        Assert.All(checks, c => Assert.True(float.IsFinite(c.ExactEffect) && c.StratumName == "all" && c.Estimator == run.Own.Name));
        if (method == EffectMethod.Exact) Assert.All(checks.Where(c => !c.IsEdge), c => Assert.Equal(c.ExactEffect, c.ApproxEffect, 1e-5f));
    }

    [Fact]
    public void Exact_edges_count_with_the_gradient_that_the_run_was_made_with()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens,
            new GraphOptions(new(MetricKind.Prob), Method: EffectMethod.Ig, Steps: 3).KeepingAll());
        var checks = run.Check(run.All()).Where(c => c is { IsEdge: true, Down: not null }).ToList();
        NodePair[] pairs = [.. run.Graph.Edges.Where(e => e.Down != CausalEdge.Metric).Select(e => new NodePair(e.Up, e.Down))];
        float[] Exact(EffectMethod method)
        {
            run.State.UseGradients(method, Estimator.Gradient, 3);
            return [.. new ExactEdges(run.State, run.Clean, run.State.Effects()).Measure(pairs).Select(e => e.Effect)];
        }
        var (own, clean) = (Exact(EffectMethod.Ig), Exact(EffectMethod.Atp));
        foreach (var error in (bool[])[false, true])
        {
            int[] some = [.. Enumerable.Range(0, pairs.Length).Where(i => checks[i].Down!.IsError == error)];
            var largest = some.Max(i => Math.Abs(own[i]));
            Assert.All(some, i => Assert.InRange(checks[i].ExactEffect - own[i], -1e-5 * largest, 1e-5 * largest));
            Assert.Contains(some, i => Math.Abs(clean[i] - own[i]) > 1e-2 * largest);
        }
    }

    [Fact]
    public void The_estimators_to_compare_are_those_that_graph_has_under_these_names()
    {
        Assert.Equal(new JudgedEstimator(EffectMethod.Ig, Estimator.Gradient, 7), JudgedEstimator.Parse("ig", 7));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            Assert.Equal(new JudgedEstimator(EffectMethod.Atp, estimator, 7),
                JudgedEstimator.Parse(estimator.ToString().ToLowerInvariant(), 7));
        }
        Assert.Equal(JudgedEstimator.Names, JudgedEstimator.Names.Select(n => JudgedEstimator.Parse(n, 7).Name));
    }

    [Fact]
    public void Clean_equal_to_patch_gives_all_zeros()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, bundle.Tokens, new GraphOptions().KeepingAll());
        var sample = new ValidationSample(run.All().Nodes, [.. Pairs(run).Select(p => (p, (Stratum?)null))]);
        Assert.All(run.Check(sample), c => Assert.Equal((0f, 0f), (c.ApproxEffect, c.ExactEffect)));
        Assert.All(SiteConservation.Measure(run.State, run.Clean, run.Graph.Nodes), c => Assert.Equal((0, 0), (c.Effects, c.Exact)));
    }

    [Fact]
    public void Memory_does_not_change_what_is_found()
    {
        using LoadedModel model = bundle.Open(), small = bundle.OpenWithin(1);   // a node a pass: no less will do
        using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens, new GraphOptions(TopNodes: 6));
        using var again = run.On(small);
        var (whole, calls) = Counted(run);
        Assert.Equal(whole, Counted(run).Checks);
        var (chunked, more) = Counted(again);
        Assert.True(more > 3 * calls, $"{more} calls with little memory, {calls} with much");
        var largest = whole.Max(c => Math.Abs(c.ExactEffect));
        Assert.All(whole.Zip(chunked), c => Assert.InRange(c.Second.ExactEffect - c.First.ExactEffect, -1e-5 * largest, 1e-5 * largest));
        Assert.Equal(whole.Select(c => c.ApproxEffect), chunked.Select(c => c.ApproxEffect));

        static (List<ValidationCheck> Checks, int Calls) Counted(RandomRun run)
        {
            var before = run.State.Model.Context.Calls;
            return (run.Check(run.All()), run.State.Model.Context.Calls - before);
        }
    }

    [Fact]
    public void A_dropped_edge_has_the_effect_that_a_run_which_keeps_it_finds()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions(TopNodes: 4));
        var all = Random2Bundle.All(model, bundle.Tokens).Edges.ToDictionary(e => new NodePair(e.Up, e.Down), e => e.Effect);
        var sample = run.Draw(60);
        var dropped = run.Check(sample).Where(c => c.IsEdge).Zip(sample.Edges).Where(c => c.Second.Stratum == Stratum.Dropped).ToList();
        Assert.NotEmpty(dropped);
        Assert.Contains(dropped, c => c.First.ApproxEffect != 0);
        var largest = all.Values.Max(Math.Abs);
        Assert.All(dropped,
            c => Assert.InRange(c.First.ApproxEffect - all.GetValueOrDefault(c.Second.Pair), -1e-5 * largest, 1e-5 * largest));
    }

    [Fact]
    public void With_a_patch_run_moving_the_whole_residual_stream_gives_its_metric()
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, bundle.PatchTokens, new GraphOptions());
        var conservation = SiteConservation.Measure(run.State, run.Clean, run.Graph.Nodes);
        foreach (var c in conservation)
        {
            var here = run.Graph.Nodes.Where(n => n.Site == c.Site).ToList();
            Assert.Contains(here, n => n is { IsError: true, Effect: not 0 });
            Assert.Equal(here.Sum(n => (double)n.Effect), c.Effects, 1e-9);
            Assert.Equal(here.Where(n => n.IsError).Sum(n => Math.Abs((double)n.Effect)) / here.Sum(n => Math.Abs((double)n.Effect)),
                c.ErrorShare, 1e-9);
        }
        var streams = conservation.Where(c => c.Site.KindName == "resid").ToList();
        Assert.Equal(3, streams.Count);
        Assert.All(streams, c => Assert.Equal(run.Graph.PatchMetric - run.Graph.CleanMetric, c.Exact, 1e-5));
    }

    [Theory, InlineData("blocks.0.hook_resid_pre"), InlineData("blocks.1.hook_attn_out"), InlineData("blocks.1.hook_resid_post")]
    public void Without_a_patch_run_moving_a_whole_site_is_ablating_all_of_it(string site)
    {
        using var model = bundle.Open(site);
        using var run = new RandomRun(model, bundle.Tokens, null, new GraphOptions());
        var nothing = new CircuitPass(run.Clean, Replacements.Zero(run.Clean))
            .Metrics(1, _ => new AblationRow(Circuit.Empty, true, ErrorRule.Nodes), run.State.Metric)[0];
        Assert.Equal(nothing - run.Graph.CleanMetric, SiteConservation.Measure(run.State, run.Clean, run.Graph.Nodes).Single().Exact, 1e-5);
    }

    private static IEnumerable<NodePair> Pairs(RandomRun run)
    {
        var bySite = Enumerable.Range(0, run.Graph.Nodes.Count).ToLookup(i => run.Graph.Nodes[i].Site);
        return new SiteGraph(run.State.Model).Pairs(MetricKind.Logit)
            .SelectMany(l =>
                bySite[l.Up].SelectMany(u =>
                    l.Down is null ? [new NodePair(u, CausalEdge.Metric)] : bySite[l.Down].Take(20).Select(d => new NodePair(u, d))));
    }

    // sublayers add nothing, LayerNorm's scale is as good as constant (variances of 1e-6
    // beside an epsilon of 1), and every feature is always active
    private static string Linear(TemporaryDirectory at)
    {
        const float small = 1e-3f;
        var checkpoint = Random2.Rewrite(at["linear"], (name, shape, values) =>
            [OnnxAttribution.Checkpoints.SafetensorsTensor.F32(name, shape, () => name.Contains("c_proj") ? new float[values.Length]
                : name.Contains("wte") || name.Contains("wpe") ? [.. values.Select(v => v * small)]
                : values)],
            config => config["layer_norm_epsilon"] = 1.0);
        foreach (var folder in Directory.GetDirectories(Path.Combine(Random2.Checkpoint, "dictionaries")))
        {
            var site = Path.GetFileName(folder);
            var dictionary = DictionaryFiles.Random(site, 16, 12, site.Length + site[7]);
            dictionary["b_enc"] = [.. dictionary["b_enc"].Select(_ => 20 * small)];
            dictionary["b_dec"] = [.. dictionary["b_dec"].Select(b => b * small)];
            dictionary.Write(Path.Combine(at["dictionaries"], site));
        }
        return Random2.Bundle(checkpoint, at["bundle"], o => o with { Dictionaries = [at["dictionaries"]] });
    }
}
