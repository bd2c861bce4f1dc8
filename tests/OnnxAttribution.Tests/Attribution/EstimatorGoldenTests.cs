using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Agreement of the estimators with PyTorch's autograd on a model of which it
/// does not see what the estimator holds fixed.</summary>
public class EstimatorGoldenTests
{
    public static TheoryData<string, Estimator> Cases
    {
        get
        {
            var data = new TheoryData<string, Estimator>();
            foreach (var name in GoldenCase.NamesOf("random2-estimators"))
            {
                data.Add(name, Estimator.Relp);
                data.Add(name, Estimator.Frozen);
            }
            foreach (var name in GoldenCase.NamesOf("random2-gim")) data.Add(name, Estimator.Gim);
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Node_effects_edges_and_jacobians_equal_those_of_pytorch(string name, Estimator estimator)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        foreach (var metric in MetricsOf(golden, estimator))
        {
            var graph = Find(model, golden, estimator, metric);
            foreach (var site in golden.Sites) GoldenTests.CompareNodes(golden, graph, site, (NameOf(estimator), metric));
            GoldenTests.CompareEdges(golden, graph, (NameOf(estimator), metric));
        }
    }

    [Theory, InlineData(Estimator.Relp), InlineData(Estimator.Frozen)]
    public void The_embedded_model_agrees_with_pytorch(Estimator estimator)
    {
        using var golden = GoldenCase.Open("tiny-estimators-zero");
        golden.RequireWeights(Repository.TinyModel);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, Repository.TinyModel);
        foreach (var metric in MetricsOf(golden, estimator))
        {
            var graph = Find(model, golden, estimator, metric);
            foreach (var site in golden.Sites) GoldenTests.CompareNodes(golden, graph, site, (NameOf(estimator), metric));
            GoldenTests.CompareStrongEdges(golden, graph, (NameOf(estimator), metric));
        }
    }

    private static CausalGraph Find(LoadedModel model, GoldenCase golden, Estimator estimator, string metric)
    {
        var options = GoldenTests.OptionsOf(golden, "atp", metric) with { Estimator = estimator };
        var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, options.KeepingAll());
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);
        return graph;
    }

    private static IEnumerable<string> MetricsOf(GoldenCase golden, Estimator estimator) =>
        golden.Facts["methods"]![NameOf(estimator)]!.AsArray().Select(m => (string)m!);

    private static string NameOf(Estimator estimator) => estimator.ToString().ToLowerInvariant();
}
