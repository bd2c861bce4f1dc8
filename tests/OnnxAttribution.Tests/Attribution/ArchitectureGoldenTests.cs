using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Nodes, edges, estimators and exact effects of every architecture with dictionaries against PyTorch in float64;
/// tolerances as in <see cref="GoldenTests"/>.</summary>
public class ArchitectureGoldenTests
{
    private const double EffectTolerance = 1e-4;

    public static TheoryData<string> Cases =>
        [.. RandomModels.WithDictionaries.SelectMany(GoldenCase.NamesOf).Where(n => !n.Contains("estimators") && !n.Contains("gim"))];

    [Theory, MemberData(nameof(Cases))]
    public void Node_effects_and_edges_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var withEdges = golden.Runs("edges").ToHashSet();
        foreach (var run in golden.Runs())
        {
            var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens,
                GoldenTests.OptionsOf(golden, run.Method, run.Metric).KeepingAll());
            foreach (var site in golden.Sites) GoldenTests.CompareNodes(golden, graph, site, run);
            if (withEdges.Contains(run)) GoldenTests.CompareEdges(golden, graph, run);
            if (run.Method == "atp") Assert.InRange(graph.ConservationViolation!.Value, 0, EffectTolerance);
        }
    }

    public static TheoryData<string, Estimator> EstimatorCases
    {
        get
        {
            var data = new TheoryData<string, Estimator>();
            foreach (var model in RandomModels.WithDictionaries)
            {
                data.Add($"{model}-estimators-zero", Estimator.Relp);
                data.Add($"{model}-estimators-zero", Estimator.Frozen);
                data.Add($"{model}-gim-zero", Estimator.Gim);
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(EstimatorCases))]
    public void Estimators_equal_those_of_pytorch(string name, Estimator estimator)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var run = (estimator.ToString().ToLowerInvariant(), "logit-diff");
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            (GoldenTests.OptionsOf(golden, "atp", "logit-diff") with { Estimator = estimator }).KeepingAll());
        foreach (var site in golden.Sites) GoldenTests.CompareNodes(golden, graph, site, run);
        GoldenTests.CompareEdges(golden, graph, run);
        Assert.InRange(graph.ConservationViolation!.Value, 0, EffectTolerance);
    }
}
