using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Graphs with exact edges against PyTorch in float64, which moves every node alone (Goldens/README.md).
/// A change of activation is a difference of two activations: 1e-4 of the largest change.</summary>
public class ExactEdgeGoldenTests
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("exact_edge")];

    [Theory, MemberData(nameof(Cases))]
    public void A_graph_with_exact_edges_equals_that_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, (string)golden.Facts["model"]! == "tiny" ? Repository.TinyModel : null);
        foreach (var metric in golden.Facts["exact_edge"]!.AsArray().Select(m => (string)m!))
        {
            var options = GoldenTests.OptionsOf(golden, "atp", metric) with { Edges = EdgeMethod.Exact };
            var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, options.KeepingAll());
            Compare(golden, graph, metric);
        }
    }

    private static void Compare(GoldenCase golden, CausalGraph graph, string metric)
    {
        var edges = graph.Edges.ToDictionary(e => (e.Up, e.Down));
        int[] Ends(string site)
        {
            var first = graph.Nodes.ToList().FindIndex(n => n.Site.Name == site);
            var count = graph.Nodes.Count(n => n.Site.Name == site);
            return [.. (golden.Has($"edge_nodes/{site}") ? golden[$"edge_nodes/{site}"].Select(i => (int)i) : Enumerable.Range(0, count))
                .Select(i => first + i)];
        }
        foreach (var (up, down) in golden.Pairs)
        {
            int[] ups = Ends(up), downs = Ends(down);
            var pairs = downs.SelectMany(d => ups.Select(u => (u, d))).ToList();
            var effects = golden[$"exact_edge/{metric}/effect/{up}->{down}"];
            GoldenTests.Close(effects, pairs.Select(p => edges.GetValueOrDefault(p).Effect), Tolerance, $"{metric} edges {up} -> {down}");
            var changes = golden[$"exact_edge/change/{up}->{down}"];
            // an edge without effect is left out, whatever its change
            var there = Enumerable.Range(0, pairs.Count).Where(i => edges.ContainsKey(pairs[i])).ToList();
            GoldenTests.Close([.. there.Select(i => changes[i])], there.Select(i => edges[pairs[i]].Change), Tolerance,
                $"changes {up} -> {down}", changes.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max());
            if (golden.Has($"exact_edge/{metric}/switched_on/{up}->{down}")) CompareSwitchedOn(golden, graph, metric, (up, down), ups);
        }
        var largest = golden.Sites.Max(s => golden[$"exact_edge/{metric}/metric/{s}"].Max(Math.Abs));
        foreach (var site in golden.Sites)
        {
            GoldenTests.Close(golden[$"exact_edge/{metric}/metric/{site}"],
                Ends(site).Select(u => edges.GetValueOrDefault((u, CausalEdge.Metric)).Effect), Tolerance,
                $"{metric} edges {site} -> metric", largest);
        }
    }

    private static void CompareSwitchedOn(GoldenCase golden, CausalGraph graph, string metric, (string Up, string Down) pair, int[] ups)
    {
        var found = graph.SwitchedOn.Where(s => s.Down.Name == pair.Down).ToDictionary(s => s.Up, s => s.Effect);
        var effects = golden[$"exact_edge/{metric}/effect/{pair.Up}->{pair.Down}"];
        GoldenTests.Close(golden[$"exact_edge/{metric}/switched_on/{pair.Up}->{pair.Down}"], ups.Select(u => found.GetValueOrDefault(u)),
            Tolerance, $"{metric} switched on {pair.Up} -> {pair.Down}", effects.Max(Math.Abs));
    }
}
