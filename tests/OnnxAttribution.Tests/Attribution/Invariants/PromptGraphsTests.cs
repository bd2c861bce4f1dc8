using OnnxAttribution.Attribution;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Prompts side by side: each graph is that of a prompt alone.</summary>
public sealed class PromptGraphsTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // float32 sums of more rows; the issue asks for it
    private const double Tolerance = 1e-5;

    // 40 prompts of 13 lengths, the longest as long as the context; several of most lengths, so that calls have one prompt and many
    private static readonly int[][] s_prompts = [.. Enumerable.Range(0, 40).Select(i =>
        (int[])[256, .. Enumerable.Range(0, i == 7 ? 31 : 1 + (i * i % 13)).Select(t => ((i * 91) + (t * 37)) % 256)])];

    public static TheoryData<string, MetricKind, Estimator, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, MetricKind, Estimator, bool>();
            foreach (var kind in Enum.GetValues<MetricKind>().Where(k => k != MetricKind.Kl))
            {
                cases.Add("resid,attn,mlp", kind, Estimator.Gradient, false);
                cases.Add("attn,mlp", kind, Estimator.Gradient, true);
            }
            foreach (var estimator in (Estimator[])[Estimator.Relp, Estimator.Frozen, Estimator.Gim])
            {
                cases.Add("resid,attn,mlp", MetricKind.LogitDiff, estimator, true);
                cases.Add("blocks.1.hook_resid_pre", MetricKind.Logit, estimator, false);
            }
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Each_graph_is_that_of_the_prompt_alone(string sites, MetricKind kind, Estimator estimator, bool patched)
    {
        using var model = LoadedModel.Open(bundle.Path, sites.Split(','), new RunContext(threads: 2, lanes: 2));
        var options = new GraphOptions(new MetricRequest(kind), Estimator: estimator).Linear().KeepingAll();
        var asked = Asked(options, patched);
        var found = PromptGraphs.Find(model, asked, isSummed: false);
        for (var i = 0; i < asked.Length; i++)
        {
            var alone = GraphFinder.Find(bundle.Shared(sites), asked[i].Tokens, asked[i].Patch, asked[i].Options);
            Same(alone, found[i].Found!);
            Assert.InRange(found[i].Found!.ConservationViolation!.Value, 0, 1e-4);
        }
    }

    [Theory, InlineData(EffectMethod.Ig, MetricKind.Kl), InlineData(EffectMethod.Ig, MetricKind.Logit),
        InlineData(EffectMethod.Exact, MetricKind.Kl), InlineData(EffectMethod.Exact, MetricKind.Logit),
        InlineData(EffectMethod.Atpstar, MetricKind.Logit)]
    public void Other_methods_go_on_from_the_same_runs(EffectMethod method, MetricKind kind)
    {
        using var model = LoadedModel.Open(bundle.Path, ["resid"], new RunContext(threads: 2, lanes: 2));
        var options = new GraphOptions(new MetricRequest(kind), Method: method, Steps: 3) { Refine = 0 }.KeepingAll();
        var asked = Asked(options, patched: false)[..9];
        var found = PromptGraphs.Find(model, asked, isSummed: false);
        for (var i = 0; i < asked.Length; i++)
        {
            var alone = GraphFinder.Find(bundle.Shared("resid"), asked[i].Tokens, null, asked[i].Options);
            GraphComparison.Numbers(alone.Nodes.Select(n => n.Effect), found[i].Found!.Nodes.Select(n => n.Effect), 1e-4, "effects");
            Assert.Equal(alone.EffectPasses, found[i].Found!.EffectPasses, alone.EffectPasses * 1e-3);
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Refined_nodes_exact_edges_and_heads_are_those_of_the_prompt_alone(bool patched)
    {
        using var model = LoadedModel.Open(bundle.Path, ["resid", "attn"], new RunContext(threads: 2, lanes: 2));
        foreach (var options in (GraphOptions[])[
            new GraphOptions { Refine = 8 }, new GraphOptions { Edges = EdgeMethod.Exact, Refine = 0 }, new GraphOptions { TopErrors = 2 },
            new GraphOptions { Heads = new HeadRequest(), Refine = 0 }])
        {
            var asked = Asked(options, patched)[..8];
            var found = PromptGraphs.Find(model, asked, isSummed: false);
            for (var i = 0; i < asked.Length; i++)
            {
                var alone = GraphFinder.Find(bundle.Shared("resid,attn"), asked[i].Tokens, asked[i].Patch, asked[i].Options);
                var graph = found[i].Found!;
                GraphComparison.Numbers(alone.Nodes.Select(n => n.Effect), graph.Nodes.Select(n => n.Effect), Tolerance, "effects");
                Assert.Equal((alone.HeadParts.Count, alone.MovedNodes), (graph.HeadParts.Count, graph.MovedNodes));
            }
        }
    }

    [Fact]
    public void Lanes_change_no_bit()
    {
        using LoadedModel one = LoadedModel.Open(bundle.Path, [], new RunContext(threads: 1)),
            two = LoadedModel.Open(bundle.Path, [], new RunContext(threads: 2, lanes: 2));
        var asked = Asked(new GraphOptions { Refine = 8 }.KeepingAll(), patched: true);
        var (first, second) = (PromptGraphs.Find(one, asked, isSummed: false), PromptGraphs.Find(two, asked, isSummed: false));
        foreach (var (a, b) in first.Zip(second))
        {
            Assert.Equal(a.Found!.Nodes, b.Found!.Nodes);
            Assert.Equal(a.Found.Edges, b.Found.Edges);
        }
    }

    [Theory, InlineData(1), InlineData(2)]
    public void A_prompt_that_fails_ends_no_other(int lanes)
    {
        using var model = LoadedModel.Open(bundle.Path, ["resid"], new RunContext(threads: 2, lanes: lanes));
        var asked = Asked(new GraphOptions().Linear(), patched: false)[..6];
        asked[1] = asked[1] with { Tokens = [256, 5000] };
        asked[2] = asked[2] with { Patch = [256] };
        asked[4] = asked[4] with { Tokens = [] };
        var found = PromptGraphs.Find(model, asked, isSummed: false);
        Assert.Contains("token 5000", found[1].Failure!.Message);
        Assert.Contains("equally long", found[2].Failure!.Message);
        Assert.Contains("no tokens", found[4].Failure!.Message);
        foreach (var i in (int[])[0, 3, 5])
        {
            Same(GraphFinder.Find(model, asked[i].Tokens, null, asked[i].Options), found[i].Found!);
        }
        Assert.All(PromptGraphs.Find(model, [asked[1], asked[2]], isSummed: false), f => Assert.NotNull(f.Failure));
    }

    [Fact]
    public void A_prompt_that_needs_too_much_memory_ends_no_other()
    {
        PromptRequest[] asked = [.. ((int[][])[[256, 1], Random2Bundle.WholeContext, [256, 3, 4]]).Select(t =>
            new PromptRequest(t, null, new GraphOptions().Linear()))];
        // the first of these budgets with which the short ones go through
        for (var budget = 1000L; ; budget += budget / 4)
        {
            using var model = LoadedModel.Open(bundle.Path, ["resid", "mlp"],
                new RunContext(threads: 2, memoryBudget: budget, lanes: 2));
            var found = PromptGraphs.Find(model, asked, isSummed: false);
            Assert.IsType<MemoryBudgetException>(found[1].Failure);
            if (found[0].Found is not null && found[2].Found is not null) return;
        }
    }

    /// <summary>One lane finds out that positions read later ones while another has begun without knowing.</summary>
    [Fact]
    public void A_model_that_looks_ahead_gives_in_lanes_what_it_gives_alone()
    {
        using var sketch = AttentionSketch.Model("Wq");
        var options = new GraphOptions(new MetricRequest(MetricKind.Logprob, 1)) { Refine = 8 }.KeepingAll();
        PromptRequest[] asked = [.. Enumerable.Range(0, 12).Select(i =>
            new PromptRequest([1, 102 + i, 7, 140 - i, .. Enumerable.Range(0, i % 3).Select(t => t + 9)], null, options))];
        using var one = LoadedModel.Open(sketch.Bundle, [], new RunContext(threads: 1));
        using var two = LoadedModel.Open(sketch.Bundle, [], new RunContext(threads: 2, lanes: 2));
        var found = PromptGraphs.Find(two, asked, isSummed: false);
        Assert.True(MovedSteps.Of(two).LooksAhead);
        for (var i = 0; i < asked.Length; i++)
        {
            var alone = GraphFinder.Find(one, asked[i].Tokens, null, options);
            GraphComparison.Numbers(alone.Nodes.Select(n => n.Effect), found[i].Found!.Nodes.Select(n => n.Effect), Tolerance, "effects");
        }
    }

    [Fact]
    public void What_overflows_is_said_of_its_own_prompt()
    {
        using var directory = new TemporaryDirectory();
        // the unembedding stays as it is
        static bool Embeds(string name) => name.EndsWith("wte.weight", StringComparison.Ordinal);
        var checkpoint = Random2.Rewrite(directory["checkpoint"], (name, shape, values) => Embeds(name)
            ? [SafetensorsTensor.F32(name, shape, () => Damaged(values)), SafetensorsTensor.F32("lm_head.weight", shape, () => values)]
            : [SafetensorsTensor.F32(name, shape, () => values)], config => config["tie_word_embeddings"] = false);
        Random2.Bundle(checkpoint, directory["bundle"]);
        using var model = LoadedModel.Open(directory["bundle"], ["resid"], new RunContext(threads: 1));
        var options = new GraphOptions().Linear();
        var found = PromptGraphs.Find(model, [.. ((int[][])[[256, 1, 2], [256, 65, 2], [256, 3, 4]]).Select(t =>
            new PromptRequest(t, null, options))], isSummed: false);
        Assert.Contains("the model overflows", found[1].Failure!.Message);
        Assert.Equal([true, false, true], found.Select(f => f.Found is not null));
    }

    [Fact]
    public void Cancelled_work_ends_in_every_lane()
    {
        using var cancel = new CancellationTokenSource();
        using var model = LoadedModel.Open(bundle.Path, ["resid"], new RunContext(threads: 2, cancel: cancel.Token, lanes: 2));
        var asked = Asked(new GraphOptions().Linear(), patched: false);
        PromptGraphs.Find(model, asked, isSummed: false);
        cancel.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => PromptGraphs.Find(model, asked, isSummed: false));
    }

    [Fact]
    public void Sums_over_positions_and_edges_between_chosen_nodes_are_those_of_prompts_alone()
    {
        using var model = LoadedModel.Open(bundle.Path, ["resid", "mlp"], new RunContext(threads: 2, lanes: 2));
        var options = new GraphOptions(TopNodes: 5).Linear();
        var asked = Asked(options, patched: true)[..12];
        var (sum, together) = (new GraphSum(model.Selected), PromptGraphs.Find(model, asked, isSummed: true));
        for (var i = 0; i < asked.Length; i++)
        {
            var alone = GraphFinder.FindSummed(model, asked[i].Tokens, asked[i].Patch, asked[i].Options);
            GraphComparison.SameEdges(alone.EdgesByName(), together[i].Found!.EdgesByName(), Tolerance);
            sum.Add(GraphFinder.Find(model, asked[i].Tokens, asked[i].Patch, asked[i].Options).Nodes);
        }
        sum.ChooseNodes(options);
        var none = asked.Select(_ => MeasuredNodes.None).ToList();
        var (edges, all) = (PromptGraphs.Edges(model, asked, none, sum), 0);
        for (var i = 0; i < asked.Length; i++)
        {
            var tokens = new PromptTokens(asked[i].Tokens, asked[i].Patch, null, null);
            GraphFinder.AddEdges(model, tokens, asked[i].Options, MeasuredNodes.None, sum);
            var expected = sum.TakeEdges().Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
            var actual = edges[i].Edges.TakeEdges().Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
            var keys = expected.Keys.Union(actual.Keys).ToList();
            all += keys.Count;
            GraphComparison.Numbers(keys.Select(k => (float)expected.GetValueOrDefault(k)),
                keys.Select(k => (float)actual.GetValueOrDefault(k)), Tolerance, "edges");
        }
        Assert.InRange(all, 100, int.MaxValue);
    }

    // token 65's embedding
    private static float[] Damaged(float[] embeddings)
    {
        var damaged = (float[])embeddings.Clone();
        damaged.AsSpan(65 * 16, 16).Fill(3e38f);
        return damaged;
    }

    private static PromptRequest[] Asked(GraphOptions options, bool patched) =>
        [.. s_prompts.Select((tokens, i) => new PromptRequest(tokens, patched ? [tokens[0], .. tokens[1..].Reverse()] : null, options with
        {
            // every other one has its own target, some a foil too
            Metric = options.Metric with
            {
                Target = i % 2 == 0 ? 3 * i : null,
                Foil = options.Metric.Kind == MetricKind.LogitDiff && i % 4 == 0 ? 200 - i : null
            }
        }))];

    private static void Same(CausalGraph alone, CausalGraph found)
    {
        Assert.Equal((alone.Metric, alone.Nodes.Count), (found.Metric, found.Nodes.Count));
        Assert.Equal(alone.CleanMetric, found.CleanMetric, 1e-4);
        // how a token's logit is picked differs: a few numbers per token of the vocabulary
        Assert.InRange(found.Operations, alone.Operations - (16 * 257), alone.Operations + (16 * 257));
        Assert.Equal(alone.TopTokens.Select(t => t.Token), found.TopTokens.Select(t => t.Token));
        GraphComparison.Same(alone, found, Tolerance);
    }
}
