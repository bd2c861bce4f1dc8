using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Agreement with PyTorch in float64: activations 1e-5, effects and edges 1e-4 of the largest of their kind (design.md:
/// what float32 costs at this size).</summary>
public class GoldenTests
{
    private const double ActivationTolerance = 1e-5, EffectTolerance = 1e-4;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesOf("random2")];

    [Theory, MemberData(nameof(Cases))]
    public void Node_effects_and_edges_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var withEdges = golden.Runs("edges").ToHashSet();
        foreach (var run in golden.Runs())
        {
            var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, OptionsOf(golden, run.Method, run.Metric).KeepingAll());
            Same((double)golden.Facts["metric_values"]![run.Metric]!["clean"]!, graph.CleanMetric, ActivationTolerance,
                $"{run} clean metric");
            foreach (var site in golden.Sites) CompareNodes(golden, graph, site, run);
            if (withEdges.Contains(run)) CompareEdges(golden, graph, run);
            if (run.Method == "atp") Assert.InRange(graph.ConservationViolation!.Value, 0, EffectTolerance);
        }
    }

    public static TheoryData<string> TinyCases => [.. GoldenCase.NamesOf("tiny")];

    [Theory, MemberData(nameof(TinyCases))]
    public void The_embedded_model_agrees_with_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        golden.RequireWeights(Repository.TinyModel);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, Repository.TinyModel);
        var withEdges = golden.Runs("edges").ToHashSet();
        foreach (var run in golden.Runs())
        {
            var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, OptionsOf(golden, run.Method, run.Metric).KeepingAll());
            foreach (var site in golden.Sites) CompareNodes(golden, graph, site, run);
            if (withEdges.Contains(run)) CompareStrongEdges(golden, graph, run);
            if (run.Method == "atp") Assert.InRange(graph.ConservationViolation!.Value, 0, EffectTolerance);
        }
    }

    // edges among the strongest nodes, and what flows into every node over all edges
    internal static void CompareStrongEdges(GoldenCase golden, CausalGraph graph, (string Method, string Metric) run)
    {
        var key = $"{run.Method}/{run.Metric}";
        var first = golden.Sites.ToDictionary(s => s, s => graph.Nodes.ToList().FindIndex(n => n.Site.Name == s));
        var edges = graph.Edges.ToDictionary(e => (e.Up, e.Down));
        var largest = golden.Pairs.Max(p => golden[$"{key}/edge/{p.Up}->{p.Down}"].Max(Math.Abs));
        foreach (var (up, down) in golden.Pairs)
        {
            int[] ups = [.. golden[$"edge_nodes/{up}"].Select(i => first[up] + (int)i)],
                downs = [.. golden[$"edge_nodes/{down}"].Select(i => first[down] + (int)i)];
            var found = downs.SelectMany(d => ups.Select(u => edges.GetValueOrDefault((u, d)))).ToList();
            Close(golden[$"{key}/edge/{up}->{down}"], found.Select(e => e.Effect), EffectTolerance, $"{key} edges {up} -> {down}", largest);
        }
        var inflow = new double[graph.Nodes.Count];
        foreach (var e in graph.Edges.Where(e => e.Down != CausalEdge.Metric)) inflow[e.Down] += e.Effect;
        foreach (var site in golden.Sites.Where(s => golden.Has($"{key}/inflow/{s}")))
        {
            var expected = golden[$"{key}/inflow/{site}"];
            Close(expected, inflow.Skip(first[site]).Take(expected.Length).Select(v => (float)v), EffectTolerance,
                $"{key} inflow of {site}", Math.Max(largest, expected.Max(Math.Abs)));
        }
    }

    internal static GraphOptions OptionsOf(GoldenCase golden, string method, string metric) => new(
        new((MetricKind)GraphMetricIndex(metric), golden.Position, golden.Target, golden.Foil),
        Enum.Parse<EffectMethod>(method, ignoreCase: true))
    { Refine = 0 };

    private static int GraphMetricIndex(string metric) => Metric.Names.ToList().IndexOf(metric);

    internal static void CompareNodes(GoldenCase golden, CausalGraph graph, string site, (string Method, string Metric) run)
    {
        var nodes = graph.Nodes.Where(n => n.Site.Name == site).ToList();
        Assert.Equal(golden[$"nodes/position/{site}"].Select(p => (int)p), nodes.Select(n => n.Position));
        Assert.Equal(golden[$"nodes/feature/{site}"].Select(p => (int)p), nodes.Select(n => n.Feature));
        Close(golden[$"nodes/activation/{site}"], nodes.Select(n => n.Activation), ActivationTolerance, $"activations of {site}");
        Close(golden[$"nodes/patch_activation/{site}"], nodes.Select(n => n.PatchActivation), ActivationTolerance,
            $"patch activations of {site}");
        var key = $"{run.Method}/{run.Metric}";
        Close(golden[$"{key}/effect/{site}"], nodes.Select(n => n.Effect), EffectTolerance, $"{key} effects of {site}",
            golden.Sites.Max(s => golden[$"{key}/effect/{s}"].Max(Math.Abs)));
        if (golden.Has($"{key}/gradient/{site}"))
        {
            Close(golden[$"{key}/gradient/{site}"], nodes.Select(n => n.Gradient), EffectTolerance, $"{key} gradients of {site}");
        }
    }

    internal static void CompareEdges(GoldenCase golden, CausalGraph graph, (string Method, string Metric) run)
    {
        var key = $"{run.Method}/{run.Metric}";
        var first = golden.Sites.ToDictionary(s => s, s => graph.Nodes.ToList().FindIndex(n => n.Site.Name == s));
        var edges = graph.Edges.ToDictionary(e => (e.Up, e.Down));
        var largest = golden.Pairs.Max(p => golden[$"{key}/edge/{p.Up}->{p.Down}"].Max(Math.Abs));
        var seen = 0;
        foreach (var (up, down) in golden.Pairs)
        {
            var expected = golden[$"{key}/edge/{up}->{down}"];
            int ups = golden[$"nodes/feature/{up}"].Length, downs = expected.Length / ups;
            var found = Enumerable.Range(0, expected.Length)
                .Select(i => edges.GetValueOrDefault((first[up] + (i % ups), first[down] + (i / ups))))
                .ToList();
            Close(expected, found.Select(e => e.Effect), EffectTolerance, $"{key} edges {up} -> {down}", largest);
            seen += found.Count(e => e.Effect != 0);
            // stored under its name where it is of another estimator than true derivatives
            var name = golden.Has($"{run.Method}/jacobian/{up}->{down}") ? $"{run.Method}/jacobian/{up}->{down}" : $"jacobian/{up}->{down}";
            if (!golden.Has(name)) continue;
            var jacobian = golden[name];
            // an edge without effect is left out, whatever its jacobian
            var compared = Enumerable.Range(0, jacobian.Length).Where(i => found[i].Effect != 0).ToList();
            Close([.. compared.Select(i => jacobian[i])], compared.Select(i => found[i].Jacobian), EffectTolerance, name);
        }
        foreach (var site in golden.Sites)
        {
            if (!golden.Has($"{key}/metric_edge/{site}")) continue;
            var expected = golden[$"{key}/metric_edge/{site}"];
            var found = expected.Select((_, i) => edges.GetValueOrDefault((first[site] + i, CausalEdge.Metric)).Effect).ToList();
            Close(expected, found, EffectTolerance, $"{key} metric edges of {site}", largest);
            seen += found.Count(e => e != 0);
        }
        Assert.Equal(graph.Edges.Count, seen);   // and there are no others
    }

    internal static void Close(double[] expected, IEnumerable<float> actual, double tolerance, string what, double? scale = null)
    {
        var found = actual.ToArray();
        Assert.Equal(expected.Length, found.Length);
        var largest = scale ?? expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
        for (var i = 0; i < expected.Length; i++)
        {
            if (double.IsNaN(expected[i]))
            {
                Assert.True(float.IsNaN(found[i]), $"{what}[{i}] should be NaN, is {found[i]}");
            }
            else
            {
                Assert.True(Math.Abs(expected[i] - found[i]) <= tolerance * Math.Max(largest, 1e-30),
                    $"{what}[{i}] is {found[i]:g9}, PyTorch has {expected[i]:g9} (largest {largest:g4})");
            }
        }
    }

    private static void Same(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance * Math.Max(1, Math.Abs(expected)),
            $"{what} is {actual:g9}, PyTorch has {expected:g9}");
}
