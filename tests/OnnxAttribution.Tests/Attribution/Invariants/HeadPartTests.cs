using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Parts of edges by heads: what each is a derivative of, and what does not change them.</summary>
public sealed class HeadPartTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    private const string From = "blocks.0.hook_resid_pre", To = "blocks.1.hook_resid_pre";
    private const double Step = 1e-4;

    // float32 against differences in double; edges are held to the same
    private const double Tolerance = 1e-4;

    private static GraphOptions All => new GraphOptions(new(MetricKind.LogitDiff)).Linear().KeepingAll() with { Heads = new HeadRequest() };

    [Theory, InlineData(AttentionWay.Value), InlineData(AttentionWay.Query), InlineData(AttentionWay.Key)]
    public void A_part_is_the_derivative_with_only_this_head_moved_in_this_way(AttentionWay way)
    {
        using var model = bundle.Open("resid");
        var graph = GraphFinder.Find(model, bundle.Tokens, null, All);
        var real = new DoubleModel(bundle.Path);
        var clean = real.Run(bundle.Tokens, From, null, new Dictionary<string, DoubleTensor>());
        var hook = $"blocks.0.attn.hook_{way.ToString().ToLowerInvariant()[0]}";
        var parts = graph.HeadParts.ToDictionary(p => (p.Up, p.Down, p.Head, p.Way), p => (double)p.Jacobian);
        var downs = Features(graph, To).Where(d => graph.Nodes[d].Activation > 0).ToList();
        var largest = graph.Edges.Where(e => downs.Contains(e.Down) && float.IsFinite(e.Jacobian)).Max(e => Math.Abs(e.Jacobian));
        foreach (var up in Features(graph, From).OrderByDescending(u => Math.Abs(graph.Nodes[u].Effect)).Take(4))
        {
            var direction = Tangent(model, graph.Nodes[up]);
            var (plus, minus) = (Moved(real, direction, Step)[hook], Moved(real, direction, -Step)[hook]);
            for (var head = 0; head < 4; head++)
            {
                double[] change = [.. WithHead(real, clean[hook], plus, hook, head)
                    .Zip(WithHead(real, clean[hook], minus, hook, head), (a, b) => (a - b) / (2 * Step))];
                foreach (var down in downs)
                {
                    var expected = Cotangent(model, graph.Nodes[down], clean[To]).Select((c, i) =>
                        c * change[(graph.Nodes[down].Position * 16) + i]).Sum();
                    var found = parts.GetValueOrDefault((up, down, new HeadName(0, head), way));
                    // an edge without effect has no parts, whatever its jacobian
                    if (found == 0 && graph.Edges.All(e => (e.Up, e.Down) != (up, down))) continue;
                    Assert.InRange(Math.Abs(expected - found), 0, Tolerance * largest);
                }
            }
        }
    }

    [Fact]
    public void Less_memory_changes_no_part()
    {
        using var whole = bundle.Open("blocks.0.hook_resid_pre", "blocks.1.hook_resid_post");
        using var chunked = bundle.OpenWithin(120_000, "blocks.0.hook_resid_pre", "blocks.1.hook_resid_post");
        var options = new GraphOptions(new(MetricKind.LogitDiff), TopNodes: 6, TopEdges: 40) { Refine = 0, Heads = new HeadRequest() };
        var (expected, found) = (GraphFinder.Find(whole, bundle.Tokens, null, options),
            GraphFinder.Find(chunked, bundle.Tokens, null, options with { TopEdges = 3 }));
        Assert.True(found.RuntimeCalls > expected.RuntimeCalls, $"{found.RuntimeCalls} calls, {expected.RuntimeCalls} without a limit");
        var parts = expected.HeadParts.ToDictionary(p => (p.Up, p.Down, p.Head, p.Way), p => p.Effect);
        var largest = expected.Edges.Max(e => Math.Abs(e.Effect));
        Assert.NotEmpty(found.HeadParts);
        Assert.All(found.HeadParts,
            p => Assert.InRange(Math.Abs(p.Effect - parts.GetValueOrDefault((p.Up, p.Down, p.Head, p.Way))), 0, 1e-5 * largest));
    }

    [Fact]
    public void Splitting_changes_no_edge()
    {
        using var model = bundle.Open("resid");
        var options = new GraphOptions(new(MetricKind.LogitDiff), TopEdges: 50);
        var (plain, split) = (GraphFinder.Find(model, bundle.Tokens, bundle.PatchTokens, options),
            GraphFinder.Find(model, bundle.Tokens, bundle.PatchTokens, options with { Heads = new HeadRequest() }));
        Assert.Equal(plain.Edges, split.Edges);
        Assert.Equal(plain.Nodes, split.Nodes);
        Assert.Empty(plain.HeadParts);
        Assert.Equal(split.Edges.Select(e => (e.Up, e.Down)), split.HeadParts.Select(p => (p.Up, p.Down)).Distinct());
    }

    [Fact]
    public void With_exact_edges_parts_add_up_to_what_the_jacobian_says()
    {
        using var model = bundle.Open("resid");
        var graph = GraphFinder.Find(model, bundle.Tokens, null, All with { Edges = EdgeMethod.Exact });
        Assert.InRange(graph.HeadsViolation!.Value, 0, 1e-5);
        var linear = GraphFinder.Find(model, bundle.Tokens, null, All).HeadParts.ToHashSet();
        Assert.All(graph.HeadParts, p => Assert.Contains(p, linear));
    }

    [Fact]
    public void Of_one_head_the_strongest_edges_through_it_are_kept_and_the_nodes_that_they_join()
    {
        using var model = bundle.Open("resid");
        var head = new HeadName(1, 2);
        var all = GraphFinder.Find(model, bundle.Tokens, null, All);
        var through = all.HeadParts.Where(p => p.Head == head).GroupBy(p => (p.Up, p.Down))
            .OrderByDescending(e => Math.Abs(e.Sum(p => (double)p.Effect))).Select(e => e.Key).Take(10).ToList();
        var one = GraphFinder.Find(model, bundle.Tokens, null,
            All with { Heads = new HeadRequest(head), TopEdges = 10, Prune = true });
        Assert.Equal(through, one.Edges.Select(e => (e.Up, e.Down)));
        Assert.Subset(all.Edges.ToHashSet(), one.Edges.ToHashSet());
        Assert.All(one.HeadParts, p => Assert.Equal(head, p.Head));
        Assert.Equal(through.SelectMany(e => (int[])[e.Up, e.Down]).Distinct().Order(),
            Enumerable.Range(0, one.Nodes.Count).Where(i => one.Nodes[i].Kept));
    }

    private static IEnumerable<int> Features(CausalGraph graph, string site) =>
        Enumerable.Range(0, graph.Nodes.Count).Where(i => graph.Nodes[i].Site.Name == site && !graph.Nodes[i].IsError);

    // [T, d], the decoder row at its position
    private double[] Tangent(LoadedModel model, CausalNode node)
    {
        var row = model.DictionaryOf(node.Site)!.DecoderRows([node.Feature], 1)[node.Feature];
        var result = new double[bundle.Tokens.Length * 16];
        for (var i = 0; i < 16; i++) result[(node.Position * 16) + i] = row[i];
        return result;
    }

    private static double[] Cotangent(LoadedModel model, CausalNode node, DoubleTensor x)
    {
        var dictionary = model.DictionaryOf(node.Site)!;
        var column = dictionary.EncoderColumns([node.Feature], 1)[node.Feature].ToArray();
        dictionary.Normalization.PullBack([.. x.Data.AsSpan(node.Position * 16, 16).ToArray().Select(v => (float)v)], column);
        return [.. column.Select(c => (double)c)];
    }

    private IReadOnlyDictionary<string, DoubleTensor> Moved(DoubleModel real, double[] direction, double step) =>
        real.Run(bundle.Tokens, From, [.. direction.Select(d => step * d)], new Dictionary<string, DoubleTensor>());

    // what the block yields when one head alone has the queries, keys or values of a moved run
    private double[] WithHead(DoubleModel real, DoubleTensor clean, DoubleTensor moved, string hook, int head)
    {
        double[] data = [.. clean.Data.Select((v, i) => i / 4 % 4 == head ? moved.Data[i] : v)];
        return real.Run(bundle.Tokens, From, null, new Dictionary<string, DoubleTensor> { [hook] = new(clean.Shape, data) })[To].Data;
    }
}
