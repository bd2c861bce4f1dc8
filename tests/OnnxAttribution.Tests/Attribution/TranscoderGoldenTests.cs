using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Graphs in which transcoders stand for MLPs, against circuit-tracer's definition in PyTorch and float64, in which a source that
/// is really doubled under <c>frozen</c> was seen to move every pre-activation and logit by its edge.</summary>
public sealed class TranscoderGoldenTests
{
    // float32 against float64, of the largest number of its kind
    private const double Tolerance = 1e-4;

    public static TheoryData<string, Estimator> Cases
    {
        get
        {
            var data = new TheoryData<string, Estimator>();
            foreach (var name in TranscoderGolden.Names)
            {
                foreach (var estimator in new[] { Estimator.Gradient, Estimator.Relp, Estimator.Frozen }) data.Add(name, estimator);
            }
            return data;
        }
    }

    public static TheoryData<string> Names => [.. TranscoderGolden.Names];

    [Theory, MemberData(nameof(Cases))]
    public void Weights_are_the_adjacency_of_the_published_definition(string name, Estimator estimator)
    {
        using var golden = TranscoderGolden.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            new GraphOptions(golden.Metric, Estimator: estimator) { Targets = new TargetRequest(4, Probability: 2) }.KeepingAll());
        var key = estimator.ToString().ToLowerInvariant();
        int[] places = [.. graph.Nodes.Select(golden.IndexOf)];
        Assert.Equal(golden.Nodes.Count, places.Distinct().Count());
        var n = golden.Nodes.Count;
        var (weight, metric) = (new double[n * n], new double[n]);
        foreach (var e in graph.Edges)
        {
            if (e.Down == CausalEdge.Metric) metric[places[e.Up]] = e.Weight;
            else weight[(places[e.Down] * n) + places[e.Up]] = e.Weight;
        }
        Close(golden[$"{key}/weight"], weight, "weight");
        Close(golden[$"{key}/metric"], metric, "metric");
        Close(golden[$"{key}/effect"], Placed(graph.Nodes.Select(x => (double)x.Effect), places), "effect");
        Close(golden["activation"], Placed(graph.Nodes.Select(x => (double)x.Activation), places), "activation");
        Assert.Equal(golden.Targets, graph.Outputs.Select(o => o.Token));
        var logits = new double[4 * n];
        foreach (var e in graph.OutputEdges) logits[(e.Output * n) + places[e.Up]] = e.Weight;
        Close(golden[$"{key}/logits"], logits, "logits");
        Assert.True(graph.ConservationViolation < 1e-5, $"conservation: {graph.ConservationViolation}");
    }

    [Theory, MemberData(nameof(Names))]
    public void Pruning_by_influence_keeps_what_the_published_rule_keeps(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var all = new GraphOptions(golden.Metric, Estimator: Estimator.Frozen).KeepingAll();
        var graph = GraphFinder.Find(model, golden.Tokens, null,
            all with { Targets = new TargetRequest(4, Probability: 2), Influence = new InfluencePruning(0.6, 0.9) });
        var expected = ByDefinition(golden, graph.Outputs);
        var (nodes, edges) = expected.Prune(0.6, 0.9);
        var n = golden.Nodes.Count;
        Assert.Contains(false, nodes);
        Assert.Equal(Enumerable.Range(0, n).Where(i => nodes[i]), graph.Nodes.Where(x => x.Kept).Select(golden.IndexOf).Order());
        int[] places = [.. graph.Nodes.Select(golden.IndexOf)];
        var kept = graph.Edges.Where(e => e.Down != CausalEdge.Metric).Select(e => (places[e.Up], places[e.Down]))
            .Concat(graph.OutputEdges.Select(e => (places[e.Up], n + e.Output)));
        Assert.Equal(edges.Order(), kept.Order());
        Assert.Equal(expected.Replacement, graph.ReplacementScore!.Value, 1e-4);
        Assert.Equal(expected.Completeness, graph.CompletenessScore!.Value, 1e-4);
        var cumulative = expected.Cumulative;
        Assert.All(graph.Nodes, x => Assert.Equal(cumulative[golden.IndexOf(x)], x.Influence, 1e-3));
    }

    private static PathInfluence ByDefinition(TranscoderGolden golden, IReadOnlyList<OutputNode> outputs)
    {
        var (n, weight, logits) = (golden.Nodes.Count, golden["frozen/weight"], golden["frozen/logits"]);
        var edges = new List<InfluenceEdge>();
        for (var up = 0; up < n; up++)
        {
            for (var down = 0; down < n; down++) edges.Add(new(up, down, (float)weight[(down * n) + up]));
            for (var k = 0; k < outputs.Count; k++) edges.Add(new(up, n + k, (float)logits[(k * n) + up]));
        }
        var roles = golden.Nodes
            .Select(x => x.Layer < 0 ? InfluenceRole.Token : x.Feature < 0 ? InfluenceRole.Error : InfluenceRole.Feature)
            .Concat(outputs.Select(_ => InfluenceRole.Output));
        return new PathInfluence([.. roles], edges, [.. new double[n], .. outputs.Select(o => (double)o.Probability)]);
    }

    private static double[] Placed(IEnumerable<double> values, int[] places)
    {
        var placed = new double[places.Length];
        foreach (var (value, place) in values.Zip(places)) placed[place] = value;
        return placed;
    }

    private static void Close(double[] expected, double[] actual, string what)
    {
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= Tolerance * scale, $"{what}[{i}]: {expected[i]} expected, {actual[i]} found");
        }
    }
}
