using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>The errors of a site in one row: sums over all rows are what they were.</summary>
public sealed class LumpedErrorsTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // float32 sums in another order, of the largest of their kind; conservation as in ConservationTests
    private const double Tolerance = 1e-5, Conserved = 1e-4;

    public static TheoryData<string, int, bool> Cases => new MatrixTheoryData<string, int, bool>(
        ["resid,attn,mlp", "resid", "attn,mlp", "blocks.0.hook_resid_pre,blocks.1.hook_mlp_out"], [0, 1, 5], [false, true]);

    [Theory, MemberData(nameof(Cases))]
    public void A_lump_is_the_sum_of_its_members_and_conserves(string sites, int top, bool patched)
    {
        var (model, tokens) = (bundle.Shared(sites), Random2Bundle.WholeContext);
        int[]? patch = patched ? [.. tokens.Reverse()] : null;
        var whole = Random2Bundle.All(model, tokens, patch);
        var lumped = Lumped(model, tokens, patch, top);
        Assert.InRange(lumped.ConservationViolation!.Value, 0, Conserved);
        Assert.Equal(model.Selected.Count, lumped.Nodes.Count(n => n.IsLump));
        var own = lumped.Nodes.Where(n => !n.IsLump).Select(n => n.Key()).ToHashSet();
        foreach (var site in model.Selected)
        {
            var errors = whole.Nodes.Where(n => n.Site == site && n.IsError).OrderByDescending(n => Math.Abs(n.Effect)).ToList();
            Assert.All(errors.Take(top), n => Assert.Contains(n.Key(), own));
            Assert.All(errors.Skip(top), n => Assert.DoesNotContain(n.Key(), own));
            var lump = lumped.Nodes.Last(n => n.Site == site);
            Assert.Equal((TokenPosition.All, true), (lump.Position, lump.IsLump));
            Close(errors.Skip(top).Sum(n => (double)n.Effect), lump.Effect, whole.Nodes.Max(n => Math.Abs(n.Effect)) * errors.Count);
            Close(errors.Skip(top).Sum(n => (double)n.Activation), lump.Activation, lump.Activation);
        }
        (string, int, int) Place(CausalNode n) => own.Contains(n.Key()) ? n.Key() : (n.Site.Name, TokenPosition.All, CausalNode.Error);
        var expected = whole.Edges.GroupBy(e => (Place(whole.Nodes[e.Up]),
                e.Down == CausalEdge.Metric ? ("metric", 0, -1) : Place(whole.Nodes[e.Down])))
            .ToDictionary(g => g.Key, g => new CausalEdge(0, 0, float.NaN, (float)g.Sum(e => (double)e.Effect)));
        var found = lumped.EdgesByName().ToDictionary(e => e.Key, e => e.Value with { Jacobian = float.NaN });
        GraphComparison.SameEdges(expected, found, Tolerance);
        Assert.Contains(found.Keys, k => k.Up.Item2 == TokenPosition.All);
        // of the last MLP alone only the last position is read
        Assert.Contains(found.Keys, k => k.Down.Item2 == TokenPosition.All || sites.Contains("blocks.1"));
    }

    [Theory, InlineData("blocks.0.hook_resid_pre"), InlineData("blocks.0.hook_mlp_out"), InlineData("blocks.1.hook_resid_pre")]
    public void A_lumps_effect_is_the_slope_of_the_logit_along_all_its_members(string name)
    {
        var (model, tokens) = (bundle.Shared(name), Random2Bundle.WholeContext);
        var graph = GraphFinder.Find(model, tokens, null, Options(3) with { Metric = new(MetricKind.Logit) });
        var lump = graph.Nodes.Single(n => n.IsLump);
        var own = graph.Nodes.Where(n => n is { IsError: true, IsLump: false }).Select(n => n.Position).ToHashSet();
        var state = PatchingState.Run(model, tokens, null, new GraphOptions());
        state.Expand();
        var change = Array.ConvertAll(state.Sites.Single().ErrorChange, v => (double)v);
        var width = change.Length / tokens.Length;
        foreach (var p in own) Array.Clear(change, p * width, width);
        var exact = new DoubleModel(bundle.Path);
        double At(double h) => exact.Logit(tokens, graph.Metric.Position, graph.Metric.Target, name, [.. change.Select(v => h * v)]);
        const double h = 1e-4;
        var slope = (At(h) - At(-h)) / (2 * h);
        Assert.NotEqual(0, slope, 1e-3);
        Close(slope, lump.Effect, Math.Max(Math.Abs(slope), graph.Nodes.Max(n => Math.Abs(n.Effect))), 1e-4);
    }

    [Fact]
    public void Exact_edges_of_a_lump_are_those_of_its_members()
    {
        var model = bundle.Shared("resid,attn,mlp");
        var options = new GraphOptions(Edges: EdgeMethod.Exact).Linear().KeepingAll();
        var whole = GraphFinder.Find(model, bundle.Tokens, null, options);
        var lumped = GraphFinder.Find(model, bundle.Tokens, null, options with { TopErrors = 1 });
        double Sum(CausalGraph graph, string up, string down) => graph.Edges.Where(e => e.Down != CausalEdge.Metric
            && graph.Nodes[e.Up].Site.Name == up && graph.Nodes[e.Down].Site.Name == down).Sum(e => (double)e.Effect);
        foreach (var (up, down) in Pairs(whole))
        {
            Close(Sum(whole, up, down), Sum(lumped, up, down), whole.Edges.Max(e => Math.Abs(e.Effect)) * 10);
        }
        Close(whole.SwitchedOn.Sum(s => (double)s.Effect), lumped.SwitchedOn.Sum(s => (double)s.Effect),
            whole.SwitchedOn.Sum(s => Math.Abs(s.Effect)));
        Assert.Contains(lumped.SwitchedOn, s => lumped.Nodes[s.Up].IsLump);
    }

    [Fact]
    public void Nothing_is_lumped_by_default_of_a_short_prompt_nor_where_one_error_would_be()
    {
        var model = bundle.Shared("resid");
        var tokens = Random2Bundle.WholeContext;
        Assert.DoesNotContain(GraphFinder.Find(model, tokens, null, new GraphOptions()).Nodes, n => n.IsLump);
        Assert.DoesNotContain(Lumped(model, tokens, null, tokens.Length - 1).Nodes, n => n.IsLump);
        Assert.Equal(3, Lumped(model, tokens, null, tokens.Length - 2).Nodes.Count(n => n.IsLump));
    }

    [Fact]
    public void A_threshold_is_held_by_a_lump_as_by_any_node()
    {
        var model = bundle.Shared("resid,attn,mlp");
        var all = Lumped(model, Random2Bundle.WholeContext, null, 1).Nodes.Where(n => n.IsLump).OrderBy(n => Math.Abs(n.Effect)).ToList();
        var between = Math.Abs(all[2].Effect);
        var some = GraphFinder.Find(model, Random2Bundle.WholeContext, null, Options(1) with { NodeThreshold = between });
        Assert.Equal(all.Where(n => Math.Abs(n.Effect) >= between).Select(n => n.Site.Name).Order(),
            some.Nodes.Where(n => n is { IsLump: true, Kept: true }).Select(n => n.Site.Name).Order());
        Assert.All(some.Edges, e => Assert.True(some.Nodes[e.Up].Kept && (e.Down == CausalEdge.Metric || some.Nodes[e.Down].Kept)));
    }

    private static IEnumerable<(string Up, string Down)> Pairs(CausalGraph graph) => graph.Edges.Where(e => e.Down != CausalEdge.Metric)
        .Select(e => (graph.Nodes[e.Up].Site.Name, graph.Nodes[e.Down].Site.Name)).Distinct();

    private static GraphOptions Options(int top) => new GraphOptions().Linear().KeepingAll() with { TopErrors = top };

    private static CausalGraph Lumped(LoadedModel model, int[] tokens, int[]? patch, int top) =>
        GraphFinder.Find(model, tokens, patch, Options(top));

    private static void Close(double expected, double actual, double scale, double tolerance = Tolerance) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance * scale, $"{actual:g9}, should be {expected:g9} (of {scale:g4})");
}
