using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bench;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Ablation;

public sealed class AblationFinderTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData("resid"), InlineData("resid,attn,mlp")]
    public void Coefficient_one_changes_nothing(string sites)
    {
        using var model = bundle.Open(sites.Split(','));
        var graph = AblationFinder.Find(model, bundle.Tokens,
            new AblationOptions(Coefficient: 1, Positions: AblationPositions.Each).KeepingAll());
        Assert.Empty(graph.Edges);
        Assert.Empty(graph.Tokens);
        Assert.NotEmpty(graph.Nodes);
        Assert.All(graph.Nodes, n => Assert.Equal((0f, n.Activation), (n.Effect, n.PatchActivation)));
    }

    [Fact]
    public void Ablating_a_feature_that_is_not_active_changes_nothing()
    {
        using var model = bundle.Open("resid");
        var active = AblationFinder.Find(model, bundle.Tokens, new AblationOptions()).Nodes
            .Where(n => n.Site == model.Selected[0] && n.Position < 0)
            .Select(n => n.Feature)
            .ToHashSet();
        var inactive = Enumerable.Range(0, 40).First(f => !active.Contains(f));
        using var slow = new SlowAblation(model, bundle.Tokens);
        int[] everywhere = [.. Enumerable.Range(0, bundle.Tokens.Length)];
        Assert.All(slow.FeaturesAfter(model.Selected[0], inactive, everywhere, 0, model.Selected[1]), c => Assert.Equal(0, c));
        Assert.Equal(slow.CleanLogits, slow.LogitsAfter(model.Selected[0], inactive, everywhere, 0));
    }

    [Theory]
    [InlineData("resid", AblationPositions.All)]
    [InlineData("resid", AblationPositions.Each)]
    [InlineData("resid,attn,mlp", AblationPositions.Each)]
    public void Chunk_size_changes_nothing(string sites, object positionsCase)
    {
        var positions = (AblationPositions)positionsCase;
        using var model = bundle.Open(sites.Split(','));
        var options = new AblationOptions(Positions: positions).KeepingAll();
        var whole = AblationFinder.Find(model, bundle.Tokens, options);
        foreach (var budget in (long[])[1, 100_000, 1_000_000])
        {
            using var small = bundle.OpenWithin(budget, sites.Split(','));
            var chunked = AblationFinder.Find(small, bundle.Tokens, options);
            if (budget < 1_000_000) Assert.True(chunked.RuntimeCalls > whole.RuntimeCalls);
            Assert.Equal(whole.Nodes.Select(n => (n.Site, n.Position, n.Feature)),
                chunked.Nodes.Select(n => (n.Site, n.Position, n.Feature)));
            GraphComparison.Numbers(whole.Nodes.Select(n => n.Effect), chunked.Nodes.Select(n => n.Effect), 1e-5, "effects");
            Assert.Equal(whole.Edges.Select(e => (e.Up, e.Down)).Order(), chunked.Edges.Select(e => (e.Up, e.Down)).Order());
            var edges = chunked.Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
            GraphComparison.Numbers(whole.Edges.Select(e => e.Effect), whole.Edges.Select(e => edges[(e.Up, e.Down)]), 1e-5, "edges");
        }
    }

    [Fact]
    public void The_strongest_edges_of_each_pair_are_kept()
    {
        using var model = bundle.Open("resid");
        var options = new AblationOptions(Positions: AblationPositions.Each, MinPath: 1);
        var all = AblationFinder.Find(model, bundle.Tokens, options.KeepingAll());
        var few = AblationFinder.Find(model, bundle.Tokens, options with { TopEdges = 7 });
        Assert.Equal(all.EdgesSeen, few.EdgesSeen);
        Assert.Equal(all.EdgesSeen, all.Edges.Count);
        var expected = all.Edges.Where(e => e.Down != CausalEdge.Metric)
            .GroupBy(e => all.Nodes[e.Up].Site)
            .SelectMany(g => g.OrderByDescending(e => Math.Abs(e.Effect)).Take(7))
            .Select(e => Ends(all, e));
        Assert.Equal(expected.Order(), few.Edges.Where(e => e.Down != CausalEdge.Metric).Select(e => Ends(few, e)).Order());
        var strong = AblationFinder.Find(model, bundle.Tokens, options with { TopEdges = null, Threshold = 0.2f });
        Assert.Equal(all.Edges.Count(e => e.Down != CausalEdge.Metric && Math.Abs(e.Effect) >= 0.2f),
            strong.Edges.Count(e => e.Down != CausalEdge.Metric));
        Assert.All(few.Edges, e => Assert.True(few.Nodes[e.Up].Kept && (e.Down == CausalEdge.Metric || few.Nodes[e.Down].Kept)));
    }

    [Fact]
    public void Kept_edges_lie_on_chains_of_the_wanted_length()
    {
        using var model = bundle.Open("resid");
        var graph = AblationFinder.Find(model, bundle.Tokens, new AblationOptions(TopEdges: 10));
        Assert.Equal(2, graph.MinPath);
        Assert.NotEmpty(graph.Chains);
        foreach (var chain in graph.Chains)
        {
            Assert.True(chain.Count >= 2);
            for (var i = 1; i < chain.Count; i++)
            {
                CausalNode before = graph.Nodes[graph.Edges[chain[i - 1]].Down], after = graph.Nodes[graph.Edges[chain[i]].Up];
                Assert.Equal((before.Site, before.Feature), (after.Site, after.Feature));
            }
        }
        Assert.DoesNotContain(AblationFinder.Find(model, bundle.Tokens, new AblationOptions(MinPath: 3)).Edges,
            e => e.Down != CausalEdge.Metric);
    }

    [Fact]
    public void At_all_positions_together_the_activation_is_their_sum()
    {
        using var model = bundle.Open("resid");
        var each = AblationFinder.Find(model, bundle.Tokens, new AblationOptions(Positions: AblationPositions.Each)).Nodes
            .ToLookup(n => (n.Site, n.Feature), n => n.Activation);
        var all = AblationFinder.Find(model, bundle.Tokens, new AblationOptions(Coefficient: 0.25f)).Nodes
            .Where(n => n.Position < 0)
            .ToList();
        Assert.Contains(all, n => each[(n.Site, n.Feature)].Count(a => a > 0) > 1);
        Assert.All(all, n =>
        {
            Assert.Equal(each[(n.Site, n.Feature)].Sum(), n.Activation, 1e-5f);
            Assert.Equal(0.25f * n.Activation, n.PatchActivation);
        });
    }

    [Fact]
    public void Without_logits_edges_are_the_same_and_effects_are_not_known()
    {
        using var model = bundle.Open();
        var options = new AblationOptions().KeepingAll();
        var (with, without) = (AblationFinder.Find(model, bundle.Tokens, options),
            AblationFinder.Find(model, bundle.Tokens, options with { Logits = false }));
        Assert.All(without.Nodes, n => Assert.True(float.IsNaN(n.Effect)));
        Assert.Empty(without.Tokens);
        Assert.Equal(with.Edges.Where(e => e.Down != CausalEdge.Metric).Select(e => (Ends(with, e), e.Effect)).Order(),
            without.Edges.Select(e => (Ends(without, e), e.Effect)).Order());
        Assert.True(without.Operations < with.Operations);
    }

    [Fact]
    public void TopK_chooses_anew_after_an_ablation()
    {
        using var model = bundle.Open("resid");
        var graph = AblationFinder.Find(model, bundle.Tokens, new AblationOptions(Positions: AblationPositions.Each).KeepingAll());
        // a feature that comes up was not active before, so it is a node that nothing ablates
        var topK = model.Selected.Where((_, i) => model.SelectedSites[i].Dictionary!.K is not null).ToHashSet();
        var risen = graph.Edges.Where(e =>
            e.Down != CausalEdge.Metric && graph.Nodes[e.Down].Activation == 0 && topK.Contains(graph.Nodes[e.Down].Site)).ToList();
        Assert.NotEmpty(risen);
        Assert.All(risen, e => Assert.Equal((0f, true), (graph.Nodes[e.Down].Effect, e.Effect > 0)));
    }

    [Fact]
    public void Paths_are_as_long_as_the_sites_with_dictionaries_allow()
    {
        using TemporaryDirectory directory = new(), other = new();
        // a path of 2 edges between sites, but the last site has no features
        using var two = PartlyDescribed.Open(directory, ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"], "resid");
        var pair = AblationFinder.Find(two, bundle.Tokens, new AblationOptions());
        Assert.Equal(1, pair.MinPath);
        Assert.NotEmpty(pair.Edges);
        Assert.NotEmpty(pair.Chains);
        // what lies between has no features: there is no edge from site to site, and those into the metric stay
        using var apart = PartlyDescribed.Open(other, ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_post"], "resid");
        var none = AblationFinder.Find(apart, bundle.Tokens, new AblationOptions());
        Assert.Equal(1, none.MinPath);
        Assert.NotEmpty(none.Edges);
        Assert.All(none.Edges, e => Assert.Equal(("blocks.1.hook_resid_post", CausalEdge.Metric), (none.Nodes[e.Up].Site.Name, e.Down)));
    }

    [Fact]
    public void Sites_without_any_dictionary_are_refused()
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(Random2.Bundle(Random2.Copy(directory["from"]), directory["bundle"]), [],
            new RunContext(threads: 1));
        Assert.Equal([OnnxAttribution.Files.Setting.Sites],
            Assert.Throws<AttributionException>(() => AblationFinder.Find(model, bundle.Tokens, new AblationOptions())).Settings);
    }

    private static string Ends(AblationGraph graph, CausalEdge e)
    {
        CausalNode u = graph.Nodes[e.Up], d = graph.Nodes[e.Down];
        return $"{u.Site} {u.Position} {u.Feature} > {d.Site} {d.Position} {d.Feature}";
    }
}
