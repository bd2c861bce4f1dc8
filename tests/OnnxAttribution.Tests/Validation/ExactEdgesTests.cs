using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

/// <summary>Exact edges against PyTorch in float64, which moves every node alone (Goldens/README.md).
/// A change of activation is a difference of two activations: 1e-4 of the largest change.</summary>
public class ExactEdgesTests
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("exact_edge")];

    [Theory, MemberData(nameof(Cases))]
    public void Exact_edges_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, (string)golden.Facts["model"]! == "tiny" ? Repository.TinyModel : null);
        foreach (var metric in golden.Facts["exact_edge"]!.AsArray().Select(m => (string)m!))
        {
            var state = PatchingState.Run(model, golden.Tokens, golden.PatchTokens, GoldenTests.OptionsOf(golden, "atp", metric));
            state.Expand();
            using var clean = state.Start();
            var edges = new ExactEdges(state, clean, state.Effects());
            // all at once: one pass then serves several downstream sites,
            // and the metric, and what one of them holds must not reach the next
            (string Up, string? Down)[] ends = [.. golden.Pairs, .. golden.Sites.Select(s => (s, (string?)null))];
            var asked = ends.Select(e => (Ends: e, Pairs: Pairs(golden, state, e.Up, e.Down))).ToList();
            var all = edges.Measure([.. asked.SelectMany(a => a.Pairs)]);
            var first = 0;
            var found = asked.ToDictionary(a => a.Ends, a => all[first..(first += a.Pairs.Length)]);
            foreach (var (up, down) in golden.Pairs)
            {
                GoldenTests.Close(golden[$"exact_edge/change/{up}->{down}"], found[(up, down)].Select(e => e.Change), Tolerance,
                    $"{metric} changes {up} -> {down}");
                GoldenTests.Close(golden[$"exact_edge/{metric}/effect/{up}->{down}"], found[(up, down)].Select(e => e.Effect), Tolerance,
                    $"{metric} edges {up} -> {down}");
            }
            var largest = golden.Sites.Max(s => golden[$"exact_edge/{metric}/metric/{s}"].Max(Math.Abs));
            foreach (var site in golden.Sites)
            {
                GoldenTests.Close(golden[$"exact_edge/{metric}/metric/{site}"], found[(site, null)].Select(e => e.Effect), Tolerance,
                    $"{metric} edges {site} -> metric", largest);
            }
        }
    }

    // down null: the metric
    private static NodePair[] Pairs(GoldenCase golden, PatchingState state, string up, string? down)
    {
        int[] ups = Ends(golden, state, up), downs = down is null ? [CausalEdge.Metric] : Ends(golden, state, down);
        return [.. downs.SelectMany(d => ups.Select(u => new NodePair(u, d)))];
    }

    // the nodes that the case compares, as indices into all nodes
    private static int[] Ends(GoldenCase golden, PatchingState state, string site)
    {
        var at = state.Sites.First(s => s.Site.Name == site);
        var chosen = golden.Has($"edge_nodes/{site}")
            ? golden[$"edge_nodes/{site}"].Select(i => (int)i)
            : Enumerable.Range(0, at.Nodes.Count);
        return [.. chosen.Select(i => at.FirstNode + i)];
    }
}
