using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Holds effects of moved nodes against passes over the whole model, a site at a time: rows whole, at all positions.</summary>
internal static class EffectsByPasses
{
    // of the largest: float32 in two orders of summation
    private const double Tolerance = 2e-5;

    public static void Agree(LoadedModel model, int[] tokens, int[]? patch, MetricRequest? metric = null)
    {
        var state = PatchingState.Run(model, tokens, patch, new GraphOptions(metric ?? new(), EffectMethod.Exact));
        state.Expand();
        using var clean = state.Start();
        int[] all = [.. Enumerable.Range(0, state.Sites.Sum(s => s.Nodes.Count))];
        var found = new MovedNodes(state, clean, Estimator.Gradient).Effects(all, MovedNodes.Whole);
        Assert.All(found, f => Assert.True(f.IsExact));
        var expected = state.Sites.SelectMany(s => Passes(state, clean, s)).ToArray();
        Assert.Contains(expected, e => e != 0);
        GoldenTests.Close(expected, found.Select(f => f.Effect), Tolerance, "effects");
        // a few at a time: rows of other positions beside a row change nothing
        int[] few = [.. all.Where(i => i % 7 == 3)];
        var alone = new MovedNodes(state, clean, Estimator.Gradient).Effects(few, MovedNodes.Whole);
        GoldenTests.Close([.. few.Select(i => expected[i])], alone.Select(f => f.Effect), Tolerance, "effects of a few");
    }

    private static IEnumerable<double> Passes(PatchingState state, ActivationCache clean, SiteEffects site)
    {
        var (rows, width) = (site.Nodes.Count + 1, site.Width);
        using var pass = clean.Intervene(rows);
        foreach (var stop in pass.From(site.Site.Name))
        {
            if (stop.Site != site.Site) continue;
            var (values, change) = (stop.Value, new float[width]);
            for (var r = 1; r < rows; r++)
            {
                var (position, feature) = site.Nodes[r - 1];
                site.NodeChange(position, feature, change);
                var at = values.AsSpan(((r * stop.Positions) + position) * width, width);
                TensorPrimitives.Add(at, change, at);
            }
            stop.Value = values;
        }
        var metrics = state.Metric.Evaluate(pass.Logits(state.Metric.Position), rows, state.Clean.Logits);
        return metrics.Skip(1).Select(m => m - metrics[0]);
    }
}
