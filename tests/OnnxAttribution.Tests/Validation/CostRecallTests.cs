using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public class CostRecallTests
{
    [Fact]
    public void Ranks_say_when_each_of_the_strongest_is_found()
    {
        float[] exact = [.. Enumerable.Range(0, 60).Select(i => i % 2 == 0 ? -(60f - i) : 60f - i)];
        // the estimate's order is the true one, but that the strongest comes last and one has no estimate
        float[] approximate = [.. exact.Select((e, i) => i == 0 ? 0.001f : i == 1 ? float.NaN : e)];
        var cost = CostRecall.Of("gradient", 2, exact, approximate);
        Assert.Equal([.. Enumerable.Range(1, 48), 59, 60], cost.Ranks);
        var record = new CostRecallRecord("gradient", 2, cost.Ranks.Count, cost.Ranks);
        Assert.Equal([0, 0.02, 0.96, 0.96, 0.98, 1], ((int[])[0, 1, 50, 58, 59, 60]).Select(record.FoundAfter));
        Assert.Equal([1, 40, 45, 60], ((double[])[0.01, 0.8, 0.9, 1]).Select(s => record.PatchedFor(s)!.Value));
    }

    [Fact]
    public void Of_fewer_nodes_than_are_looked_for_all_are_the_strongest()
    {
        var cost = CostRecall.Of("ig", double.NaN, [3, -2, 1], [0, 0, 0]);
        Assert.Equal([1, 2, 3], cost.Ranks);
        Assert.Null(new CostRecallRecord("ig", null, 0, []).PatchedFor(0.9));
    }

    // a backward pass to activations multiplies as often as the forward one
    [Fact]
    public void Estimates_cost_what_their_passes_multiply()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, ["attn", "resid"], new RunContext(threads: 1));
        int[] tokens = [.. Enumerable.Range(1, 12)];
        double Passes(EffectMethod method, int steps = 1, Estimator estimator = Estimator.Gradient) =>
            GraphFinder.Find(model!, tokens, null, new(Method: method, Steps: steps, Estimator: estimator, TopNodes: 1) { Refine = 0 })
                .EffectPasses;
        Assert.Equal(2, Passes(EffectMethod.Atp), 0.1);
        Assert.Equal(2, Passes(EffectMethod.Atp, 1, Estimator.Gim), 0.1);
        tokens = [1, 2, 3];
        Assert.Equal(2, Passes(EffectMethod.Atp), 0.1);   // of this prompt, not of the first
        tokens = [.. Enumerable.Range(1, 12)];
        // forward and backward from each of 5 residual sites on, and from each of 4 attentions: half of a pass on average
        var ig = Passes(EffectMethod.Ig);
        Assert.InRange(ig, 2 + 8, 2 + 12);
        Assert.Equal(2 + (3 * (ig - 2)), Passes(EffectMethod.Ig, 3), 0.2);
        // one forward, five backward, and the passes of attribution patching; what is left is attention patterns
        Assert.InRange(Passes(EffectMethod.Atpstar), 2 + 6, 30);
        // a row for every node, through as many blocks as are asked for; of the first the queries, keys and values of one position
        double Depth(int depth) => GraphFinder.Find(model!, tokens, null, new(TopNodes: 1) { ExactDepth = depth }).EffectPasses;
        var (one, two) = (Depth(1), Depth(2));
        Assert.InRange(one, 10, 1000);
        Assert.InRange(two / one, 1.5, 3);
    }
}
