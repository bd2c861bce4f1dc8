using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Graphs of local replacement models, in which transcoders stand for MLPs.</summary>
public sealed class ReplacedGraphTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string> Names => [.. TranscoderGolden.Names];

    [Theory, MemberData(nameof(Names))]
    public void The_replacement_yields_the_models_logits(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var replaced = ModelPass.Run(model, golden.Tokens, golden.Metric, replacement: LocalReplacement.Of(model, golden.Tokens));
        var expected = golden["logits"];
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], replaced.Logits[i], 1e-5 * scale);
    }

    [Theory, MemberData(nameof(Names))]
    public void Effects_against_a_patch_prompt_are_conserved(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        int[] patch = [golden.Tokens[0], .. golden.Tokens.Skip(1).Select(t => t + 3)];
        foreach (var estimator in new[] { Estimator.Gradient, Estimator.Relp, Estimator.Frozen })
        {
            var graph = GraphFinder.Find(model, golden.Tokens, patch, new GraphOptions(golden.Metric, Estimator: estimator).KeepingAll());
            Assert.True(graph.ConservationViolation < 1e-5, $"{estimator}: {graph.ConservationViolation}");
            Assert.All(graph.Edges, e => Assert.Equal(graph.Nodes[e.Up].IsError, float.IsNaN(e.Weight)));
        }
    }

    [Theory, InlineData("resid"), InlineData("resid_mid"), InlineData("attn"), InlineData("resid,attn")]
    public void Sites_with_and_without_dictionaries_may_be_mixed_in(string sites)
    {
        using var golden = TranscoderGolden.Open("transcoders-clt-rms");
        var bundle = golden.Bundle(_directory["bundle"], Path.Combine(golden.Checkpoint, "dictionaries"));
        if (sites == "resid_mid")
        {
            bundle = _directory["further"];
            BundleWriter.Write(new ExportOptions(golden.Checkpoint, [golden.Transcoders], bundle) { FurtherSites = [SiteKind.ResidMid] });
        }
        using var model = LoadedModel.OpenSelected(bundle, new ModelSelection(sites.Split(','), MlpReplacement.Mlp),
            new RunContext(threads: 1));
        foreach (var estimator in new[] { Estimator.Gradient, Estimator.Frozen })
        {
            var graph = GraphFinder.Find(model, golden.Tokens, null, new GraphOptions(golden.Metric, Estimator: estimator)
            {
                Targets = new TargetRequest(4, Probability: 2),
            }.KeepingAll());
            Assert.True(graph.ConservationViolation < 1e-5, $"{estimator}: {graph.ConservationViolation}");
            OutputsAddUpToTheirDifference(golden, graph);
            Assert.Contains(graph.Edges, e => e.Down >= 0 && graph.Nodes[e.Up].Site.Kind == SiteKind.Mlp
                && graph.Nodes[e.Down].Site.Kind is SiteKind.Resid or SiteKind.Attn or SiteKind.ResidMid);
        }
    }

    // the metric is the difference of two outputs, whose means over the vocabulary are one
    private static void OutputsAddUpToTheirDifference(TranscoderGolden golden, CausalGraph graph)
    {
        Assert.Equal(golden.Targets, graph.Outputs.Select(o => o.Token));
        var difference = new double[graph.Nodes.Count];
        foreach (var e in graph.OutputEdges.Where(e => e.Output < 2)) difference[e.Up] += e.Output == 0 ? e.Weight : -e.Weight;
        var into = graph.Edges.Where(e => e.Down == CausalEdge.Metric).ToDictionary(e => e.Up, e => (double)e.Weight);
        var largest = into.Values.Max(Math.Abs);
        for (var i = 0; i < difference.Length; i++)
        {
            Assert.InRange(difference[i] - into.GetValueOrDefault(i), -1e-4 * largest, 1e-4 * largest);
        }
        Assert.Contains(graph.OutputEdges, e => graph.Nodes[e.Up].Site.Kind is SiteKind.Resid or SiteKind.Attn or SiteKind.ResidMid);
        Assert.All(graph.Nodes, n => Assert.InRange(n.Influence, 0, 1));
        Assert.InRange(graph.ReplacementScore!.Value, 0, 1);
        Assert.InRange(graph.CompletenessScore!.Value, 0, 1);
    }

    [Fact]
    public void A_site_that_a_transcoder_reads_may_be_cut_at_itself()
    {
        using var golden = TranscoderGolden.Open("transcoders-clt");
        using var model = golden.OpenModel(_directory, "resid_mid");
        var graph = GraphFinder.Find(model, golden.Tokens, null, new GraphOptions(golden.Metric).KeepingAll());
        Assert.True(graph.ConservationViolation < 1e-5, $"{graph.ConservationViolation}");
        // nothing but that site is read directly
        Assert.All(graph.Edges.Where(e => e.Down >= 0 && graph.Nodes[e.Down] is { IsError: false, Site.Kind: SiteKind.Mlp }),
            e => Assert.Equal(SiteKind.ResidMid, graph.Nodes[e.Up].Site.Kind));
    }

    /// <summary>A screen's columns are those of all features, lent; a graph takes those of the active ones.</summary>
    [Theory, InlineData("transcoders-plt"), InlineData("transcoders-clt")]
    public void A_screen_changes_nothing(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var plain = golden.OpenModel(_directory);
        var options = new GraphOptions(golden.Metric).KeepingAll();
        var expected = GraphFinder.Find(plain, golden.Tokens, null, options);
        foreach (var prompts in (int[])[1, WeightPacking.ManyPrompts + 1])
        {
            using var screened = LoadedModel.OpenSelected(golden.ScreenedBundle(_directory[$"screened{prompts}"]),
                new ModelSelection(null, MlpReplacement.WhereOnlyTranscoders), new RunContext(threads: 1), prompts);
            Assert.Contains(screened.SelectedSites, s => s.Dictionary?.Screen is not null);
            GraphComparison.Same(expected, GraphFinder.Find(screened, golden.Tokens, null, options), 1e-5);
        }
    }

    [Fact]
    public void Zeroed_positions_have_tokens_and_no_other_nodes()
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        using var model = LoadedModel.OpenSelected(golden.Bundle(_directory["bundle"]),
            new ModelSelection(null, MlpReplacement.Mlp) { ZeroPositions = 2 }, new RunContext(threads: 1));
        var graph = GraphFinder.Find(model, golden.Tokens, null, new GraphOptions(golden.Metric).KeepingAll());
        Assert.All(graph.Nodes.Where(n => n.Position < 2), n => Assert.True(n.IsToken));
        Assert.Equal(golden.Tokens.Length, graph.Nodes.Count(n => n.IsToken));
        Assert.True(graph.ConservationViolation < 1e-5, $"{graph.ConservationViolation}");
    }

    [Fact]
    public void Errors_and_tokens_are_sources_only()
    {
        using var golden = TranscoderGolden.Open("transcoders-saelens");
        using var model = golden.OpenModel(_directory);
        var graph = GraphFinder.Find(model, golden.Tokens, null, new GraphOptions(golden.Metric).KeepingAll());
        Assert.All(graph.Edges.Where(e => e.Down >= 0), e => Assert.False(graph.Nodes[e.Down].IsError));
        Assert.Equal(0, graph.ExactNodes);
        Assert.All(graph.Nodes, n => Assert.Equal(NodeMethods.Attribution, n.Method));
    }

    /// <summary>A batch's mean is made of runs of other prompts, whose active features differ.</summary>
    [Theory, InlineData("transcoders-clt"), InlineData("transcoders-gemma2"), InlineData("transcoders-neox")]
    public void The_mean_over_prompts_is_the_mean_of_their_sums(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var options = new GraphOptions(golden.Metric).KeepingAll();
        int[][] prompts = [golden.Tokens, [golden.Tokens[0], 65, 90, 66], [golden.Tokens[0], 70, 71, 72, 73, 74, 75]];
        var sum = new GraphSum(model.Selected);
        var (graphs, summed) = (new List<CausalGraph>(), new List<CausalGraph>());
        foreach (var prompt in prompts)
        {
            graphs.Add(GraphFinder.Find(model, prompt, null, options));
            summed.Add(GraphFinder.FindSummed(model, prompt, null, options));
            Assert.True(graphs[^1].ConservationViolation < 1e-5, $"{graphs[^1].ConservationViolation}");
            sum.Add(graphs[^1].Nodes);
        }
        sum.ChooseNodes(options);
        foreach (var (prompt, graph) in prompts.Zip(graphs))
        {
            var own = options with { Metric = MetricRequest.Of(graph.Metric) };
            GraphFinder.AddEdges(model, new PromptTokens(prompt, null, null, null), own, graph.Measured, sum);
        }
        string Name(CausalNode n) => $"{n.Site.Name} {n.Feature}";
        var effects = summed.SelectMany(g => g.Nodes).GroupBy(Name).ToDictionary(g => g.Key, g => g.Sum(n => (double)n.Effect) / 3);
        Assert.Equal(effects.Keys.Order(), sum.Nodes.Select(Name).Order());
        Assert.All(sum.Nodes, n => Assert.Equal(effects[Name(n)], n.Effect, 1e-4));
        var edges = summed.SelectMany(g => g.Edges.Select(e => (Key: Key(g.Nodes, e), e.Effect))).GroupBy(e => e.Key)
            .ToDictionary(g => g.Key, g => g.Sum(e => (double)e.Effect) / 3);
        Assert.All(sum.Edges, e => Assert.Equal(edges[Key(sum.Nodes, e)], e.Effect, 1e-4));
        Assert.Equal(edges.Count, sum.Edges.Count);

        string Key(IReadOnlyList<CausalNode> nodes, CausalEdge e) =>
            $"{Name(nodes[e.Up])} -> {(e.Down == CausalEdge.Metric ? "metric" : Name(nodes[e.Down]))}";
    }

    [Fact]
    public void Edges_summed_over_positions_are_the_sums()
    {
        using var golden = TranscoderGolden.Open("transcoders-clt");
        using var model = golden.OpenModel(_directory);
        var options = new GraphOptions(golden.Metric).KeepingAll();
        var (apart, summed) = (GraphFinder.Find(model, golden.Tokens, null, options),
            GraphFinder.FindSummed(model, golden.Tokens, null, options));
        Assert.Equal(apart.Nodes.Sum(n => (double)n.Effect), summed.Nodes.Sum(n => (double)n.Effect), 1e-4);
        Assert.Equal(apart.Edges.Sum(e => (double)e.Effect), summed.Edges.Sum(e => (double)e.Effect), 1e-4);
    }

    public static TheoryData<string> Refusals => ["ig", "exact", "atpstar", "gim", "depth", "refine", "edges", "heads"];

    [Theory, MemberData(nameof(Refusals))]
    public void What_moves_the_model_itself_is_refused(string what)
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        using var model = golden.OpenModel(_directory);
        var options = new GraphOptions(golden.Metric);
        options = what switch
        {
            "ig" => options with { Method = EffectMethod.Ig },
            "exact" => options with { Method = EffectMethod.Exact },
            "atpstar" => options with { Method = EffectMethod.Atpstar },
            "gim" => options with { Estimator = Estimator.Gim },
            "depth" => options with { ExactDepth = 1 },
            "refine" => options with { Refine = 4 },
            "edges" => options with { Edges = EdgeMethod.Exact },
            _ => options with { Heads = new HeadRequest() },
        };
        BundleWriterTests.Refused<AttributionException>(() => GraphFinder.Find(model, golden.Tokens, null, options),
            "MLPs are replaced by transcoders", "--replace");
    }

    [Fact]
    public void A_bundle_without_transcoders_replaces_nothing()
    {
        var bundle = Random2.Bundle(Random2.Checkpoint, _directory["bare"]);
        BundleWriterTests.Refused<BundleException>(
            () => LoadedModel.OpenSelected(bundle, new ModelSelection(null, MlpReplacement.Mlp), new RunContext(threads: 1)),
            "has no transcoders to replace MLPs with", "--replace");
        BundleWriterTests.Refused<BundleException>(
            () => LoadedModel.OpenSelected(bundle, new ModelSelection { ZeroPositions = 1 }, new RunContext(threads: 1)),
            "no MLP is replaced by one", "--zero-positions");
        using var plain = LoadedModel.OpenSelected(bundle, new ModelSelection(null, MlpReplacement.WhereOnlyTranscoders),
            new RunContext(threads: 1));
        Assert.False(plain.IsReplaced);
    }

    [Fact]
    public void An_mlp_with_a_dictionary_of_its_own_is_one_or_the_other()
    {
        using var golden = TranscoderGolden.Open("transcoders-rms");
        var bundle = golden.Bundle(_directory["bundle"], Path.Combine(golden.Checkpoint, "dictionaries"));
        BundleWriterTests.Refused<BundleException>(
            () => LoadedModel.OpenSelected(bundle, new ModelSelection(["mlp"], MlpReplacement.Mlp), new RunContext(threads: 1)),
            "has a dictionary of its own, and a transcoder that stands for its MLP", "--sites");
        using var both = LoadedModel.OpenSelected(bundle, new ModelSelection(null, MlpReplacement.WhereOnlyTranscoders),
            new RunContext(threads: 1));
        Assert.False(both.IsReplaced);
    }
}
