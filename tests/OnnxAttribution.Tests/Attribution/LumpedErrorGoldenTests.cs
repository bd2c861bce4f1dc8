using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Errors in one row against PyTorch in float64, where the row moves and is read as one tensor
/// (tests/references/goldens_errors.py).</summary>
public class LumpedErrorGoldenTests
{
    private const double Tolerance = 1e-4;   // as of any edge (GoldenTests)

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("errors")];

    [Theory, MemberData(nameof(Cases))]
    public void What_a_lump_does_and_what_is_done_to_it_equals_that_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, (string)golden.Facts["model"]! == "tiny" ? Repository.TinyModel : null);
        var options = GoldenTests.OptionsOf(golden, "atp", (string)golden.Facts["errors"]!).KeepingAll() with
        {
            TopErrors = (int)golden.Facts["top_errors"]!,
        };
        var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, options);
        Assert.InRange(graph.ConservationViolation!.Value, 0, Tolerance);
        var index = Enumerable.Range(0, graph.Nodes.Count).ToDictionary(i => Key(graph.Nodes[i]));
        var effects = graph.Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
        var largest = graph.Edges.Max(e => Math.Abs(e.Effect));
        foreach (var site in golden.Sites) CompareNode(golden, graph, index[(site, -1, -1)], effects);
        foreach (var (up, down) in PairsOf(golden))
        {
            var (from, to) = (index[(up, -1, -1)], index[(down, -1, -1)]);
            GoldenTests.Close(golden[$"lump/both/{up}->{down}"], [effects.GetValueOrDefault((from, to))], Tolerance,
                $"{up} -> {down}", largest);
            Edges(down, $"lump/from/{up}->{down}", node => (from, node));
            Edges(up, $"lump/into/{up}->{down}", node => (node, to));
        }

        void Edges(string site, string tensor, Func<int, (int, int)> edge)
        {
            var (positions, features) = (golden[$"nodes/position/{site}"], golden[$"nodes/feature/{site}"]);
            (string, int, int) At(int i) => (site, (int)positions[i], (int)features[i]);
            int[] own = [.. Enumerable.Range(0, positions.Length).Where(i => index.ContainsKey(At(i)))];
            Assert.Equal(positions.Length - golden[$"lump/members/{site}"].Length, own.Length);
            var expected = golden[tensor];
            GoldenTests.Close([.. own.Select(i => expected[i])], own.Select(i => effects.GetValueOrDefault(edge(index[At(i)]))), Tolerance,
                tensor, largest);
        }
    }

    private static void CompareNode(GoldenCase golden, CausalGraph graph, int lump, Dictionary<(int, int), float> effects)
    {
        var (site, largest) = (graph.Nodes[lump].Site.Name, graph.Edges.Max(e => Math.Abs(e.Effect)));
        Assert.True(graph.Nodes[lump].IsLump);
        Assert.DoesNotContain(graph.Nodes, n => n.Site.Name == site && n.IsError
            && golden[$"lump/members/{site}"].Contains(n.Position));
        GoldenTests.Close(golden[$"lump/effect/{site}"], [graph.Nodes[lump].Effect], Tolerance, $"effect of {site}",
            graph.Nodes.Max(n => Math.Abs(n.Effect)));
        GoldenTests.Close(golden[$"lump/metric_edge/{site}"], [effects.GetValueOrDefault((lump, CausalEdge.Metric))], Tolerance,
            $"metric edge of {site}", largest);
    }

    private static IEnumerable<(string Up, string Down)> PairsOf(GoldenCase golden) =>
        golden.Facts["pairs"]!.AsArray().Select(p => ((string)p![0]!, (string)p[1]!));

    private static (string, int, int) Key(CausalNode node) => (node.Site.Name, node.Position, node.Feature);
}
