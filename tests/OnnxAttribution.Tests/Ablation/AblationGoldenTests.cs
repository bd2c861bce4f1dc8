using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Ablation;

/// <summary>Agreement with PyTorch in float64, which really changes activations and really runs the model:
/// features 1e-5, the metric 1e-4 of the largest of their kind.</summary>
public class AblationGoldenTests
{
    private const double FeatureTolerance = 1e-5, MetricTolerance = 1e-4;

    public static TheoryData<string, string, float> Runs
    {
        get
        {
            var runs = new TheoryData<string, string, float>();
            foreach (var name in Directory.GetDirectories(GoldenCase.Root).Select(Path.GetFileName).Order())
            {
                if (!File.Exists(Path.Combine(GoldenCase.Root, name!, "case.json"))) continue;
                if (JsonNode.Parse(File.ReadAllText(
                    Path.Combine(GoldenCase.Root, name!, "case.json")))!["ablate"]?["coefficients"] is not JsonObject coefficients)
                {
                    continue;
                }
                foreach (var (positions, values) in coefficients)
                {
                    foreach (var c in values!.AsArray()) runs.Add(name!, positions, (float)c!);
                }
            }
            return runs;
        }
    }

    [Fact]
    public void There_are_goldens_of_every_kind() => Assert.True(Runs.Count >= 10, $"only {Runs.Count} runs");

    [Theory, MemberData(nameof(Runs))]
    public void Ablated_features_change_features_metric_and_probabilities_as_in_pytorch(string name, string positions, float coefficient)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        var tiny = (string)golden.Facts["model"]! == "tiny";
        if (tiny) golden.RequireWeights(Repository.TinyModel);
        using var model = golden.OpenModel(directory, tiny ? Repository.TinyModel : null);
        var key = $"ablate/{positions}/{coefficient}";
        foreach (var metric in golden.Facts["ablate"]!["metrics"]!.AsArray().Select(m => (string)m!))
        {
            var options = new AblationOptions(
                new((MetricKind)Metric.Names.ToList().IndexOf(metric), golden.Position, golden.Target, golden.Foil), coefficient,
                Enum.Parse<AblationPositions>(positions, ignoreCase: true)).KeepingAll();
            var graph = AblationFinder.Find(model, golden.Tokens, options);
            foreach (var site in golden.Sites.Where(s => golden.Has($"ablate/features/{s}")))
            {
                CompareMetric(golden, graph, site, $"{key}/metric/{metric}/{site}", positions);
            }
            CompareFeatures(golden, graph, options, positions, key);
            CompareProbabilities(golden, graph, key);
        }
    }

    // the golden's rows: features ascending (all, last), or nodes by position and feature (each); null where nothing is ablated in a row
    private static int?[] Rows(GoldenCase golden, AblationGraph graph, string site, string positions)
    {
        var own = graph.Nodes.Select((n, i) => (n, i))
            .Where(p => p.n.Site.Name == site)
            .ToDictionary(p => (p.n.Position, p.n.Feature), p => p.i);
        int? At(int position, int feature) => own.TryGetValue((position, feature), out var i) ? i : null;
        if (positions == "each")
        {
            return [.. golden[$"nodes/position/{site}"].Zip(golden[$"nodes/feature/{site}"], (p, f) => ((int)p, (int)f))
                .Where(n => n.Item2 >= 0)
                .Select(n => At(n.Item1, n.Item2))];
        }
        var last = graph.Nodes.Where(n => n.Site.Name == site && n.Position == golden.Tokens.Length - 1 && n.Activation > 0)
            .Select(n => n.Feature)
            .ToHashSet();
        return [.. golden[$"ablate/features/{site}"].Select(f => positions == "all" ? At(TokenPosition.All, (int)f)
            : last.Contains((int)f) ? At(golden.Tokens.Length - 1, (int)f)
            : null)];
    }

    private static void CompareMetric(GoldenCase golden, AblationGraph graph, string site, string tensor, string positions)
    {
        if (!golden.Has(tensor)) return;
        var scale = golden.Sites.Where(s => golden.Has(tensor.Replace(site, s))).Max(s => golden[tensor.Replace(site, s)].Max(Math.Abs));
        GoldenTests.Close(golden[tensor], Rows(golden, graph, site, positions).Select(i => i is { } n ? graph.Nodes[n].Effect : 0),
            MetricTolerance, tensor, scale);
    }

    private static void CompareFeatures(GoldenCase golden, AblationGraph graph, AblationOptions options, string positions, string key)
    {
        var lastOnly = (string)golden.Facts["ablate"]!["delta_positions"]! == "last";
        var (first, count) = lastOnly ? (golden.Tokens.Length - 1, 1) : (0, golden.Tokens.Length);
        var compared = 0;
        foreach (var (up, down) in golden.Pairs.Where(p => golden.Has($"{key}/delta/{p.Up}->{p.Down}")))
        {
            var tensor = $"{key}/delta/{up}->{down}";
            var expected = golden[tensor];
            var rows = Rows(golden, graph, up, positions);
            var features = expected.Length / rows.Length / count;
            var found = new float[expected.Length];
            var edges = graph.Edges.Where(e => e.Down != CausalEdge.Metric && graph.Nodes[e.Down].Site.Name == down).ToLookup(e => e.Up);
            for (var r = 0; r < rows.Length; r++)
            {
                foreach (var e in rows[r] is { } node ? edges[node] : [])
                {
                    var at = graph.Nodes[e.Down];
                    if (at.Position >= first) found[(((r * count) + at.Position - first) * features) + at.Feature] = e.Effect;
                }
            }
            GoldenTests.Close(expected, found, FeatureTolerance, tensor,
                golden[$"nodes/activation/{down}"].Where((_, i) => golden[$"nodes/feature/{down}"][i] >= 0).Max());
            compared += found.Count(f => f != 0);
        }
        Assert.True(compared > 0 || golden.Pairs.All(p => !golden.Has($"{key}/delta/{p.Up}->{p.Down}")));
        if (!lastOnly && (string)golden.Facts["model"]! != "tiny")
        {
            Assert.Equal(graph.Edges.Count(e => e.Down != CausalEdge.Metric), compared);   // and there are no others
        }
    }

    private static void CompareProbabilities(GoldenCase golden, AblationGraph graph, string key)
    {
        var moved = graph.Tokens.ToLookup(l => l.Node);
        foreach (var site in golden.Sites.Where(s => golden.Has($"{key}/logits/{s}")))
        {
            var rows = Rows(golden, graph, site, "all");
            var vocabulary = golden[$"{key}/logits/{site}"].Length / rows.Length;
            var clean = Softmax(golden["logits"].AsSpan(golden.Position * vocabulary, vocabulary));
            for (var r = 0; r < rows.Length; r++)
            {
                var ablated = Softmax(golden[$"{key}/logits/{site}"].AsSpan(r * vocabulary, vocabulary));
                var here = moved[rows[r]!.Value].ToList();
                foreach (var m in here.Select(m => m.Change))
                {
                    Assert.Equal(clean[m.Token], m.Clean, 1e-5);
                    Assert.Equal(ablated[m.Token], m.Ablated, 1e-5);
                    Assert.Equal(m.Ablated - m.Clean, m.Change, 1e-6);
                }
                foreach (var up in (bool[])[true, false])
                {
                    var largest = ablated.Zip(clean, (a, c) => up ? a - c : c - a)
                        .OrderDescending()
                        .Take(LogitReader.Most)
                        .Where(d => d > 1e-5)
                        .ToList();
                    var found = here.Where(m => m.IsUp == up).OrderBy(m => m.Rank).ToList();
                    Assert.Equal(Enumerable.Range(1, found.Count), found.Select(m => m.Rank));
                    for (var i = 0; i < largest.Count; i++) Assert.Equal(largest[i], Math.Abs(found[i].Change.Change), 1e-5);
                }
            }
        }
    }

    private static double[] Softmax(ReadOnlySpan<double> logits)
    {
        var max = double.NegativeInfinity;
        foreach (var x in logits) max = Math.Max(max, x);
        var p = new double[logits.Length];
        for (var i = 0; i < p.Length; i++) p[i] = Math.Exp(logits[i] - max);
        var sum = p.Sum();
        return [.. p.Select(v => v / sum)];
    }
}
