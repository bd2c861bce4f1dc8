using Google.Protobuf;
using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Passes that keep sites alone and are run in chunks of positions: the numbers of a whole pass, for every model, estimator and
/// metric, and graphs that are conserved.</summary>
public sealed class CheckpointedPassTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // sums over positions in another order, of the largest number of their kind
    private const double Tolerance = 1e-5, Conserved = 1e-4;

    // of what a whole pass takes: every position alone, a few, nearly all
    private static readonly double[] s_shares = [0, 0.03, 0.24];

    public static TheoryData<string> ModelNames => [.. RandomModels.Names, "random2"];

    public static TheoryData<string, Estimator> Cases =>
        new MatrixTheoryData<string, Estimator>([.. RandomModels.Names, "random2"], Enum.GetValues<Estimator>());

    [Theory, MemberData(nameof(Cases))]
    public void Chunks_of_positions_do_not_change_a_pass(string name, Estimator estimator)
    {
        using var directory = new TemporaryDirectory();
        var path = name == "random2" ? bundle.Path : Exported(name, directory);
        int[] tokens = [256, .. Enumerable.Range(0, 23).Select(i => i * 37 % 256)];
        foreach (var request in Requests(estimator))
        {
            using var model = LoadedModel.Open(path, null, new RunContext(threads: 1));
            var whole = ModelPass.Run(model, tokens, request, estimator);
            Assert.True(RunsWhole(model, request.Kind, estimator, tokens.Length));
            var bytes = BytesOf(model, request.Kind, estimator, tokens.Length);
            foreach (var budget in s_shares.Select(s => (long)(s * bytes)))
            {
                using var small = LoadedModel.Open(path, null, new RunContext(threads: 1, memoryBudget: budget));
                Assert.False(RunsWhole(small, request.Kind, estimator, tokens.Length));
                var pass = ModelPass.Run(small, tokens, request, estimator);
                Same(whole, pass, $"{request.Kind} within {budget}");
                Assert.Equal(pass.Operations, Counted(small, tokens.Length, request, estimator));
            }
        }
    }

    [Theory, MemberData(nameof(ModelNames))]
    public void A_chunk_is_given_nothing_behind_its_last_position(string name)
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(name == "random2" ? bundle.Path : Exported(name, directory), null, new RunContext());
        var attentions = model.AllSites.Select(s => RowSegment.Of(s, model.AllSites)).Where(s => s.Mixed.Count > 0).ToList();
        Assert.Equal(2, attentions.Count);
        Assert.All(attentions, a => Assert.Single(a.Prefix!.Masks));
    }

    // every query reads the future: the same operators and sizes, and a mask that is none of a causal model
    [Theory, InlineData("random2"), InlineData("llama2"), InlineData("mistral"), InlineData("gemma2"), InlineData("phi")]
    public void Of_a_model_that_reads_later_positions_nothing_is_cut(string name)
    {
        using var directory = new TemporaryDirectory();
        var path = name == "random2" ? Random2.Bundle(Random2.Checkpoint, directory["bundle"]) : Exported(name, directory);
        int[] tokens = [256, .. Enumerable.Range(0, 23).Select(i => i * 37 % 256)];
        var causal = Operations(path, tokens, at: 23);
        var graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(path, BundleManifest.GraphFileName)));
        foreach (var node in graph.Graph.Node.Where(n => n.OpType == "LessOrEqual")) node.OpType = "GreaterOrEqual";
        File.WriteAllBytes(Path.Combine(path, BundleManifest.GraphFileName), graph.ToByteArray());
        BundleSeal.Renew(path);
        using var model = LoadedModel.Open(path, null, new RunContext(threads: 1));
        var request = new MetricRequest(MetricKind.LogitDiff, Position: 5);
        var whole = ModelPass.Run(model, tokens, request);
        var gradient = whole.Gradients.Values.First();
        Assert.Contains(gradient.Skip(gradient.Length / 2), g => g != 0);
        var bytes = BytesOf(model, request.Kind, Estimator.Gradient, tokens.Length);
        foreach (var budget in s_shares.Select(s => (long)(s * bytes)))
        {
            using var small = LoadedModel.Open(path, null, new RunContext(threads: 1, memoryBudget: budget));
            Same(whole, ModelPass.Run(small, tokens, request), $"{name} within {budget}");
        }
        // the first position reads here what the last one did there
        Assert.True(causal < Operations(path, tokens, at: 0));
    }

    // without a run, as a plan counts
    private static long Counted(LoadedModel model, int tokens, MetricRequest request, Estimator estimator)
    {
        var hasGradient = request.Kind != MetricKind.Kl;
        return new CheckpointedSteps(model, LocalReplacement.Sizes(tokens, null)).Operations(hasGradient ? request.Kind : MetricKind.Logit,
            hasGradient ? estimator : null, request.Position ?? tokens - 1);
    }

    private static long Operations(string path, int[] tokens, int at)
    {
        using var small = LoadedModel.Open(path, null, new RunContext(threads: 1, memoryBudget: 1));
        return ModelPass.Run(small, tokens, new MetricRequest(MetricKind.LogitDiff, Position: at)).Operations;
    }

    [Theory, MemberData(nameof(ForeignModel.Names), MemberType = typeof(ForeignModel))]
    public void Foreign_attention_is_cut_where_its_mask_shows_it(string name)
    {
        using var foreign = new ForeignModel(name);
        foreign.Export();
        SameInChunks(foreign.Bundle, [256, .. Enumerable.Range(0, 23).Select(i => i * 37 % 256)]);
        using var model = LoadedModel.Open(foreign.Bundle, null, new RunContext());
        var attentions = model.AllSites.Select(s => RowSegment.Of(s, model.AllSites)).Where(s => s.Mixed.Count > 0).ToList();
        Assert.Equal(2, attentions.Count);
        Assert.All(attentions, a => Assert.NotEmpty(a.Prefix!.Masks));
    }

    // two blocks without a site between them, or behind the last
    [Theory, InlineData("gpt2-13", "blocks.1.hook_resid_post"), InlineData("llama-17", "blocks.1.hook_resid_post"),
        InlineData("neox-16", "blocks.1.hook_resid_post"), InlineData("gpt2-13", "blocks.0.hook_resid_pre"),
        InlineData("llama-17", "blocks.1.hook_mlp_out"),
        InlineData("gpt2-17", "blocks.0.hook_attn_out")]
    public void Segments_of_several_blocks_are_parted(string name, string only)
    {
        using var foreign = new ForeignModel(name);
        foreach (var site in foreign.SiteNames.Select(s => s.Key).Where(s => s != only).ToList()) foreign.SiteNames.Remove(site);
        foreign.Export();
        SameInChunks(foreign.Bundle, [256, .. Enumerable.Range(0, 23).Select(i => i * 37 % 256)]);
        using var model = LoadedModel.Open(foreign.Bundle, null, new RunContext());
        var cuts = Waists.Among(model.AllSites, model.Graph[ModelBundle.Logits]);
        Assert.All(cuts, c => Assert.InRange(Attentions(c, [.. cuts.Where(o => o != c)]), 0, 1));
        Assert.Equal(0, Attentions(model.Graph[ModelBundle.Logits], cuts));
        Assert.True(cuts.Count > model.AllSites.Count);

        static int Attentions(Value output, IReadOnlyList<Value> stops) =>
            Topology.Between(stops, [output]).Count(op => op.Type == "Softmax");
    }

    [Fact]
    public void Where_every_attention_lies_between_sites_there_is_nothing_to_part()
    {
        using var model = bundle.Open();
        Assert.Equal(model.AllSites, Waists.Among(model.AllSites, model.Graph[ModelBundle.Logits]));
    }

    private static void SameInChunks(string path, int[] tokens)
    {
        using var model = LoadedModel.Open(path, null, new RunContext(threads: 1));
        foreach (var estimator in (Estimator[])[Estimator.Gradient, Estimator.Gim])
        {
            var request = new MetricRequest(MetricKind.LogitDiff, Position: 17);
            var whole = ModelPass.Run(model, tokens, request, estimator);
            foreach (var share in s_shares)
            {
                var budget = (long)(share * BytesOf(model, request.Kind, estimator, tokens.Length));
                using var small = LoadedModel.Open(path, null, new RunContext(threads: 1, memoryBudget: budget));
                var pass = ModelPass.Run(small, tokens, request, estimator);
                Assert.True(pass.IsCheckpointed);
                Same(whole, pass, $"{estimator} within {budget}");
            }
        }
    }

    [Theory, InlineData("resid,attn,mlp", false), InlineData("resid,attn,mlp", true), InlineData("resid", true),
        InlineData("resid,mlp", false), InlineData("blocks.1.hook_attn_out", true)]
    public void Graphs_of_such_passes_are_the_same_and_conserved(string sites, bool patched)
    {
        var tokens = Random2Bundle.WholeContext;
        int[]? patch = patched ? [.. tokens.Reverse()] : null;
        // of few features: a row of edges takes less than a quarter of a pass
        using var directory = new TemporaryDirectory();
        var path = Random2Bundle.With(directory, "narrow", site => DictionaryFiles.Random(site, 16, 2, seed: site.Length + site[7]));
        using var large = LoadedModel.Open(path, sites.Split(','), new RunContext(threads: 1));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            foreach (var metric in (MetricKind[])[MetricKind.Logit, MetricKind.LogitDiff])
            {
                var budget = (long)(0.24 * BytesOf(large, metric, estimator, tokens.Length));
                using var small = LoadedModel.Open(path, sites.Split(','), new RunContext(threads: 1, memoryBudget: budget));
                Assert.False(RunsWhole(small, metric, estimator, tokens.Length));
                foreach (var top in (int?[])[null, 2])
                {
                    var options = new GraphOptions(new(metric), Estimator: estimator).Linear().KeepingAll() with { TopErrors = top };
                    var expected = GraphFinder.Find(large, tokens, patch, options);
                    var found = GraphFinder.Find(small, tokens, patch, options);
                    GraphComparison.Same(expected, found, Tolerance);
                    Assert.InRange(found.ConservationViolation!.Value, 0, Conserved);
                }
            }
        }
    }

    [Fact]
    public void Positions_behind_the_metrics_have_no_gradient()
    {
        using var small = bundle.OpenWithin(1);
        var pass = ModelPass.Run(small, Random2Bundle.WholeContext, new MetricRequest(Position: 5));
        foreach (var gradient in pass.Gradients.Values)
        {
            var width = gradient.Length / Random2Bundle.WholeContext.Length;
            Assert.All(gradient.Skip(6 * width), v => Assert.Equal(0, v));
            Assert.Contains(gradient.Take(6 * width), v => v != 0);
        }
    }

    [Theory, MemberData(nameof(ReplacedGraphTests.Names), MemberType = typeof(ReplacedGraphTests))]
    public void Transcoders_may_stand_for_mlps(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        using var small = LoadedModel.OpenSelected(directory["bundle"], new ModelSelection(null, MlpReplacement.WhereOnlyTranscoders),
            new RunContext(threads: 1, memoryBudget: 1000));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            var whole = ModelPass.Run(model, golden.Tokens, golden.Metric, estimator, LocalReplacement.Of(model, golden.Tokens));
            Same(whole, ModelPass.Run(small, golden.Tokens, golden.Metric, estimator, LocalReplacement.Of(small, golden.Tokens)), name);
        }
    }

    private static MetricRequest[] Requests(Estimator estimator) => estimator == Estimator.Gradient
        ? [new(MetricKind.LogitDiff), new(MetricKind.Logprob, Position: 11, Target: 65), new(MetricKind.Kl)]
        : [new(MetricKind.LogitDiff)];

    private static string Exported(string model, TemporaryDirectory directory)
    {
        BundleWriter.Write(new ExportOptions(RandomModels.Checkpoint(model), null, directory["bundle"]));
        return directory["bundle"];
    }

    private static long BytesOf(LoadedModel model, MetricKind kind, Estimator estimator, int positions) =>
        PassMemory.OfWhole(model, kind == MetricKind.Kl ? MetricKind.Logit : kind, estimator, LocalReplacement.Sizes(positions, null));

    private static bool RunsWhole(LoadedModel model, MetricKind kind, Estimator estimator, int positions) =>
        PassMemory.RunsWhole(model, kind == MetricKind.Kl ? MetricKind.Logit : kind, estimator, LocalReplacement.Sizes(positions, null));

    private static void Same(ModelPass expected, ModelPass actual, string what)
    {
        Assert.Equal((expected.Target, expected.Foil), (actual.Target, actual.Foil));
        GraphComparison.Numbers([.. expected.Logits, expected.Metric], [.. actual.Logits, actual.Metric], Tolerance, $"{what}: logits");
        Assert.Equal(expected.Sites.Keys, actual.Sites.Keys);
        foreach (var (site, x) in expected.Sites) GraphComparison.Numbers(x, actual.Sites[site], Tolerance, $"{what}: {site}");
        Assert.Equal(expected.Gradients.Keys, actual.Gradients.Keys);
        foreach (var (site, g) in expected.Gradients)
        {
            GraphComparison.Numbers(g, actual.Gradients[site], Tolerance, $"{what}: ∂m/∂{site}");
        }
    }
}
