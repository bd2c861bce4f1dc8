using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What memory and widths may change: nothing but the time.</summary>
public sealed class ChunkingTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData("resid,attn,mlp"), InlineData("resid"), InlineData("mlp")]
    public void Chunk_size_does_not_change_the_jacobian(string sites)
    {
        using var model = bundle.Open(sites.Split(','));
        var whole = Random2Bundle.All(model, bundle.Tokens, bundle.PatchTokens);
        var budget = LeastBudget(sites, bundle.PatchTokens);
        // from the least budget, one or two rows to a run, to ones that hold a few
        foreach (var more in (double[])[1, 1.5, 3, 7.3])
        {
            using var small = bundle.OpenWithin((long)(budget * more), sites.Split(','));
            var chunked = Random2Bundle.All(small, bundle.Tokens, bundle.PatchTokens);
            Assert.True(chunked.RuntimeCalls > whole.RuntimeCalls,
                $"{chunked.RuntimeCalls} calls with {budget * more} bytes, {whole.RuntimeCalls} without limit");
            GraphComparison.Same(whole, chunked, 1e-6);
        }
    }

    [Theory, InlineData(EffectMethod.Ig), InlineData(EffectMethod.Exact)]
    public void Chunk_size_does_not_change_patched_effects(EffectMethod method)
    {
        using var model = bundle.Open("mlp");
        var options = new GraphOptions(Method: method, Steps: 7);
        var whole = Random2Bundle.All(model, bundle.Tokens, null, options);
        using var small = bundle.OpenWithin(LeastBudget("mlp", null), "mlp");
        var chunked = Random2Bundle.All(small, bundle.Tokens, null, options);
        Assert.True(chunked.RuntimeCalls > whole.RuntimeCalls);
        // an exact effect is a difference of two metrics: float32 of the metric, not of the effect
        GraphComparison.Numbers(whole.Nodes.Select(n => n.Effect), chunked.Nodes.Select(n => n.Effect),
            method == EffectMethod.Exact ? 1e-5 : 1e-6, "effects");
    }

    [Fact]
    public void A_memory_budget_too_small_for_one_row_is_refused_with_the_budget_that_would_do()
    {
        using LoadedModel tiny = bundle.OpenWithin(1), enough = bundle.OpenWithin(1 << 20);
        var e = Assert.Throws<MemoryBudgetException>(() => Random2Bundle.All(tiny, bundle.Tokens));
        Assert.Contains("needs 1 MiB", e.Message);
        Assert.Contains("give it more memory", e.Message);
        Assert.Equal([Setting.Memory], e.Settings);
        Assert.DoesNotContain('\n', e.Message);
        Random2Bundle.All(enough, bundle.Tokens);
    }

    [Theory, InlineData(1), InlineData(5), InlineData(null)]
    public void The_number_of_runtime_calls_does_not_depend_on_dictionary_width_or_kept_nodes(int? topNodes)
    {
        using var directory = new TemporaryDirectory();
        var calls = new List<int>();
        foreach (var features in (int[])[40, 512])
        {
            var path = Random2Bundle.With(directory, $"wide{features}",
                site => DictionaryFiles.Random(site, 16, features, seed: site.Length + site[7]));
            using var model = LoadedModel.Open(path, [], new RunContext(threads: 1));
            foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
            {
                var graph = GraphFinder.Find(model, bundle.Tokens, patch,
                    new GraphOptions(TopNodes: topNodes, TopEdges: null, Prune: false).Linear());
                Assert.True(graph.Nodes.Count(n => !n.IsError) > features / 4);
                calls.Add(graph.RuntimeCalls - (patch is null ? 0 : 1));   // one more pass: encoders take both runs at once
            }
        }
        // one pass, 7 encoders, the attentions and MLPs of 2 blocks, the metric's edges: residual sites are met by products alone
        Assert.All(calls, c => Assert.Equal(1 + 7 + 4 + 1, c));
    }

    /// <summary>The least budget with which edges can be found, to a byte.</summary>
    private long LeastBudget(string sites, int[]? patch)
    {
        long low = 1, high = 1 << 20;
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            try
            {
                using var model = bundle.OpenWithin(middle, sites.Split(','));
                Random2Bundle.All(model, bundle.Tokens, patch);
                high = middle;
            }
            catch (MemoryBudgetException)
            {
                low = middle;
            }
        }
        return high;
    }
}
