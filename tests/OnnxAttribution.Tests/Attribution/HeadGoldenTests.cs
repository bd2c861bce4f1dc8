using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Edges split by heads against PyTorch in float64, which detaches what is not of a part (Goldens/README.md).
/// A part is held to 1e-4 of the largest edge, as edges are; parts of an edge add up to it to 1e-5 of the largest edge.</summary>
public class HeadGoldenTests
{
    private const double Tolerance = 1e-4, SumTolerance = 1e-5;

    public static TheoryData<string, string> Cases =>
        [.. GoldenCase.NamesWith("heads").SelectMany(name =>
        {
            using var golden = GoldenCase.Open(name);
            return golden.Facts["heads"]!.AsObject().Select(e => new TheoryDataRow<string, string>(name, e.Key)).ToList();
        })];

    [Theory, MemberData(nameof(Cases))]
    public void Parts_of_edges_equal_those_of_pytorch_and_add_up_to_them(string name, string estimator)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, Options(golden, estimator));
        Assert.InRange(graph.HeadsViolation!.Value, 0, SumTolerance);
        var largest = graph.Edges.Max(e => Math.Abs(e.Effect));
        var expected = Expected(golden, estimator, graph);
        var found = graph.HeadParts.ToDictionary(p => (p.Up, p.Down, p.Head?.ToString() ?? "", p.Way), p => p.Effect);
        foreach (var (part, effect) in expected)
        {
            Assert.True(Math.Abs(effect - found.GetValueOrDefault(part)) <= Tolerance * largest,
                $"{part}: {effect} expected, {found.GetValueOrDefault(part)} found; the largest edge is {largest}");
        }
        // and nothing else
        Assert.All(found, p => Assert.True(expected.ContainsKey(p.Key) || Math.Abs(p.Value) <= Tolerance * largest, $"{p}"));
        AssertSums(graph, largest);
    }

    internal static GraphOptions Options(GoldenCase golden, string estimator) =>
        (GoldenTests.OptionsOf(golden, "atp", "logit-diff") with { Estimator = Enum.Parse<Estimator>(estimator, ignoreCase: true) })
        .KeepingAll() with
        { Heads = new HeadRequest() };

    // apart from the graph's own figure, which is made where the parts are
    private static void AssertSums(CausalGraph graph, double largest)
    {
        var sums = graph.HeadParts.GroupBy(p => (p.Up, p.Down)).ToDictionary(p => p.Key, p => p.Sum(x => (double)x.Effect));
        foreach (var e in graph.Edges)
        {
            Assert.InRange(Math.Abs(e.Effect - sums.GetValueOrDefault((e.Up, e.Down))), 0, SumTolerance * largest);
        }
    }

    private static Dictionary<(int Up, int Down, string Head, AttentionWay Way), double> Expected(GoldenCase golden, string estimator,
        CausalGraph graph)
    {
        var first = golden.Sites.ToDictionary(s => s, s => graph.Nodes.ToList().FindIndex(n => n.Site.Name == s));
        var result = new Dictionary<(int, int, string, AttentionWay), double>();
        foreach (var tensor in golden.Names.Where(n => n.StartsWith($"heads/{estimator}/", StringComparison.Ordinal)))
        {
            var (ends, part) = (tensor.Split('/')[2].Split("->"), tensor.Split('/')[3]);
            if (part == "whole") continue;
            var (head, way) = part == "around" ? ("", "around") : (part[..part.LastIndexOf('.')], part[(part.LastIndexOf('.') + 1)..]);
            var (values, ups) = (golden[tensor], graph.Nodes.Count(n => n.Site.Name == ends[0]));
            for (var i = 0; i < values.Length; i++)
            {
                var down = ends[1] == "metric" ? CausalEdge.Metric : first[ends[1]] + (i / ups);
                result[(first[ends[0]] + (i % ups), down, head, Enum.Parse<AttentionWay>(way, ignoreCase: true))] = values[i];
            }
        }
        Assert.NotEmpty(result);
        return result;
    }
}
