using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What is kept says nothing about what it is worth.</summary>
public sealed class SelectionTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData("resid,attn,mlp"), InlineData("resid"), InlineData("mlp")]
    public void Keeping_fewer_nodes_gives_the_same_edges_between_them(string sites)
    {
        using var model = bundle.Open(sites.Split(','));
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            var all = Random2Bundle.All(model, bundle.Tokens, patch);
            var few = GraphFinder.Find(model, bundle.Tokens, patch, new GraphOptions(TopNodes: 3, TopEdges: null, Prune: false).Linear());
            Assert.Equal(all.Nodes.Select(n => n with { Kept = false }), few.Nodes.Select(n => n with { Kept = false }));
            bool Kept(CausalEdge e) => few.Nodes[e.Up].Kept && (e.Down == CausalEdge.Metric || few.Nodes[e.Down].Kept);
            Assert.All(few.Edges, e => Assert.True(Kept(e)));
            GraphComparison.SameEdges(all.Edges.Where(Kept).ToDictionary(e => (e.Up, e.Down)),
                few.Edges.ToDictionary(e => (e.Up, e.Down)), 1e-6);
        }
    }

    [Fact]
    public void Top_nodes_are_the_strongest_features_of_each_site_with_all_error_nodes_on_top()
    {
        using var model = bundle.Open();
        var graph = GraphFinder.Find(model, bundle.Tokens, null, new GraphOptions(TopNodes: 3, TopEdges: null, Prune: false).Linear());
        foreach (var site in model.Selected)
        {
            var features = graph.Nodes.Where(n => n.Site == site && !n.IsError).ToList();
            Assert.Equal(features.OrderByDescending(n => Math.Abs(n.Effect)).Take(3).ToHashSet(), features.Where(n => n.Kept).ToHashSet());
            Assert.All(graph.Nodes.Where(n => n.Site == site && n.IsError), n => Assert.True(n.Kept));
        }
    }

    [Fact]
    public void A_node_is_kept_where_its_effect_reaches_the_threshold_and_an_edge_likewise()
    {
        using var model = bundle.Open();
        var all = Random2Bundle.All(model, bundle.Tokens);
        var (node, edge) = (Math.Abs(all.Nodes[3].Effect), Math.Abs(all.Edges[100].Effect));
        var graph = GraphFinder.Find(model, bundle.Tokens, null,
            new GraphOptions(TopNodes: null, NodeThreshold: node, TopEdges: null, EdgeThreshold: edge, Prune: false).Linear());
        Assert.All(graph.Nodes, n => Assert.Equal(Math.Abs(n.Effect) >= node, n.Kept));
        Assert.All(graph.Edges, e => Assert.True(Math.Abs(e.Effect) >= edge));
        Assert.NotEmpty(graph.Edges);
        Assert.Equal(Random2Bundle.All(model, bundle.Tokens).Edges.Count(e => Math.Abs(e.Effect) >= edge * 1.001f && graph.Nodes[e.Up].Kept
            && (e.Down == CausalEdge.Metric || graph.Nodes[e.Down].Kept)), graph.Edges.Count(e => Math.Abs(e.Effect) >= edge * 1.001f));
    }

    [Theory, InlineData(5), InlineData(60), InlineData(200)]
    public void Pruning_keeps_exactly_what_lies_on_a_path_to_the_metric(int topEdges)
    {
        using var model = bundle.Open();
        var options = new GraphOptions(TopNodes: 4, TopEdges: topEdges, Prune: false).Linear();
        var whole = GraphFinder.Find(model, bundle.Tokens, bundle.PatchTokens, options);
        var pruned = GraphFinder.Find(model, bundle.Tokens, bundle.PatchTokens, options with { Prune = true });
        Assert.Equal(topEdges, whole.Edges.Count);
        // from the metric backwards, until nothing is new
        var reached = new HashSet<int> { CausalEdge.Metric };
        while (whole.Edges.Any(e => reached.Contains(e.Down) && reached.Add(e.Up))) { }
        Assert.Equal(reached.Where(i => i >= 0).Order(), Enumerable.Range(0, pruned.Nodes.Count).Where(i => pruned.Nodes[i].Kept));
        Assert.Equal(whole.Edges.Where(e => reached.Contains(e.Down)).Select(e => (e.Up, e.Down)).Order(),
            pruned.Edges.Select(e => (e.Up, e.Down)).Order());
    }

    [Fact]
    public void Permuting_features_permutes_the_graph()
    {
        using var directory = new TemporaryDirectory();
        var random = new Random(5);
        var orders = new Dictionary<string, int[]>();
        var path = Random2Bundle.With(directory, "permuted", site =>
        {
            var dictionary = DictionaryFiles.Read(Path.Combine(Random2.Checkpoint, "dictionaries", site));
            var order = Enumerable.Range(0, dictionary.Features).ToArray();
            random.Shuffle(order);
            return dictionary.Permuted(orders[site] = order);
        });
        using var plain = bundle.Open();
        using var permuted = LoadedModel.Open(path, [], new RunContext(threads: 1));
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            var expected = Random2Bundle.All(plain, bundle.Tokens, patch);
            var found = Random2Bundle.All(permuted, bundle.Tokens, patch);
            (string, int, int) Back((string Site, int Position, int Feature) key) =>
                key.Feature < 0 ? key : (key.Site, key.Position, orders[key.Site][key.Feature]);
            var nodes = found.Nodes.ToDictionary(n => Back(n.Key()));
            Assert.Equal(expected.Nodes.Select(GraphComparison.Key).ToHashSet(), nodes.Keys.ToHashSet());
            GraphComparison.Numbers(expected.Nodes.Select(n => n.Activation), expected.Nodes.Select(n => nodes[n.Key()].Activation),
                1e-5, "activations");
            GraphComparison.Numbers(expected.Nodes.Select(n => n.Effect), expected.Nodes.Select(n => nodes[n.Key()].Effect),
                1e-5, "effects");
            GraphComparison.SameEdges(expected.EdgesByName(), found.EdgesByName()
                .ToDictionary(e => (Back(e.Key.Up), e.Key.Down.Item1 == "metric" ? e.Key.Down : Back(e.Key.Down)), e => e.Value), 1e-5);
        }
    }

    [Fact]
    public void Integrated_gradients_with_one_step_are_attribution_patching()
    {
        using var model = bundle.Open();
        foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
        {
            var atp = Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(new(MetricKind.LogitDiff)));
            var ig = Random2Bundle.All(model, bundle.Tokens, patch, new GraphOptions(new(MetricKind.LogitDiff), EffectMethod.Ig, Steps: 1));
            GraphComparison.Same(atp, ig, 1e-5);
            Assert.Null(ig.ConservationViolation);
        }
    }

    [Fact]
    public void A_graph_found_twice_is_the_same()
    {
        using var model = bundle.Open();
        var first = Random2Bundle.All(model, bundle.Tokens, bundle.PatchTokens);
        Random2Bundle.All(model, [256]);   // sessions are kept between prompts of other lengths
        var second = Random2Bundle.All(model, bundle.Tokens, bundle.PatchTokens);
        Assert.Equal(first.Nodes, second.Nodes);
        // edges in all but the last bit: some of the runtime's sums depend on where their input lies in memory
        GraphComparison.Same(first, second, 1e-6);
        Assert.Equal(first.Edges.Count, second.Edges.Count);
        Assert.Equal(first.RuntimeCalls, second.RuntimeCalls);
    }
}
