using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
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
                Same(whole, ModelPass.Run(small, tokens, request, estimator), $"{request.Kind} within {budget}");
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
