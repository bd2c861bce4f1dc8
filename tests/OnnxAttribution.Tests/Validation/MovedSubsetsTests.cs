using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

/// <summary>Many nodes moved at once: against PyTorch in float64 (tests/references/goldens_subsets.py), and against the paths that move
/// one node, or one site.</summary>
public sealed class MovedSubsetsTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("subsets")];

    [Theory, MemberData(nameof(Cases))]
    public void A_subset_moved_at_once_has_the_effect_that_pytorch_finds(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        var isTiny = (string)golden.Facts["model"]! == "tiny";
        if (isTiny) golden.RequireWeights(Repository.TinyModel);
        using var model = golden.OpenModel(directory, isTiny ? Repository.TinyModel : null);
        var members = golden["subsets/members"];
        foreach (var metric in golden.Facts["subsets"]!.AsArray().Select(m => (string)m!))
        {
            var state = PatchingState.Run(model, golden.Tokens, golden.PatchTokens, GoldenTests.OptionsOf(golden, "atp", metric));
            state.Expand();
            using var clean = state.Start();
            var (wanted, count) = (golden[$"subsets/{metric}/effect"], state.Sites.Sum(s => s.Nodes.Count));
            Assert.Equal(wanted.Length * count, members.Length);
            var subsets = members.Chunk(count).Select(row => Enumerable.Range(0, count).Where(i => row[i] == 1).ToArray());
            GoldenTests.Close(wanted, new MovedSubsets(state, clean).Effects([.. subsets]), 1e-4, $"{metric} of subsets");
        }
    }

    [Fact]
    public void There_are_cases_of_every_kind_of_model()
    {
        var models = Cases.Select(c => GoldenCase.Open((string)c.Data).Facts["model"]!.ToString()).Distinct().Order();
        Assert.Equal(["llama2", "neox2", "random2", "random2-kinds", "tiny"], models);
    }

    [Theory, InlineData(false, false), InlineData(true, false), InlineData(true, true)]
    public void A_subset_of_one_node_is_that_node_really_patched(bool patched, bool inLittleMemory)
    {
        using LoadedModel model = bundle.Open(), small = bundle.OpenWithin(1);   // a subset a pass: no less will do
        using var graph = new RandomRun(model, bundle.Tokens, patched ? bundle.PatchTokens : null, new GraphOptions());
        using var run = graph.On(inLittleMemory ? small : model);
        int[] nodes = [.. Enumerable.Range(0, run.Graph.Nodes.Count)];
        var alone = ExactEffects.Of(run.State, run.Clean, nodes);
        var subsets = new MovedSubsets(run.State, run.Clean).Effects([.. nodes.Select(i => (int[])[i])]);
        var largest = alone.Max(Math.Abs);
        Assert.All(alone.Zip(subsets), e => Assert.InRange(e.Second - e.First, -1e-5 * largest, 1e-5 * largest));
        Assert.Equal(0, new MovedSubsets(run.State, run.Clean).Effects([[], [nodes[0]]])[0]);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void All_nodes_of_a_site_are_the_whole_site(bool patched)
    {
        using var model = bundle.Open();
        using var run = new RandomRun(model, bundle.Tokens, patched ? bundle.PatchTokens : null, new GraphOptions());
        var whole = SiteConservation.Measure(run.State, run.Clean, run.Graph.Nodes);
        var sites = run.State.Sites.Select(s => Enumerable.Range(s.FirstNode, s.Nodes.Count).ToArray());
        var effects = new MovedSubsets(run.State, run.Clean).Effects([.. sites]);
        Assert.All(whole.Zip(effects), e => Assert.InRange(e.Second - e.First.Exact, -1e-4, 1e-4));
        Assert.Contains(effects, e => Math.Abs(e) > 0.1);
    }
}
