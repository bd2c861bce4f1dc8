using System.Numerics.Tensors;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>Gradients of a metric along a straight line between two values of a site: a batch row per step of the model from that site on.
/// </summary>
/// <remarks>Marks et al. 2024, equation 3.</remarks>
internal sealed class IntegratedGradients(LoadedModel model, ModelPass clean, Metric metric)
{
    /// <summary>Floating-point operations of the steps so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Mean of ∂m/∂x, [T, d], over left Riemann steps α = k / steps from the clean end,
    /// all nodes of the site moved together.</summary>
    /// <param name="estimator">Whose gradients are meant.</param>
    public float[] Mean(SiteEffects site, Estimator estimator, int steps)
    {
        var change = site.WholeChange();
        var mean = new float[change.Length];
        using var resumed = From(site, estimator);
        if (resumed is null) return mean;
        Operations += resumed.OperationsPerRow * steps;
        for (var first = 0; first < steps; first += resumed.RowsPerRun)
        {
            var count = Math.Min(resumed.RowsPerRun, steps - first);
            var rows = new float[count * mean.Length];
            for (var i = 0; i < count; i++)
            {
                TensorPrimitives.MultiplyAdd(change, (float)(first + i) / steps, site.Clean, rows.AsSpan(i * mean.Length, mean.Length));
            }
            using var result = resumed.Run(rows);
            var gradients = result.Floats(GradientGraphs.GradientName(site.Site));
            for (var i = 0; i < count; i++) TensorPrimitives.Add(mean, gradients.Slice(i * mean.Length, mean.Length), mean);
        }
        TensorPrimitives.Divide(mean, steps, mean);
        return FiniteValues.Require(mean, $"the gradients at {site.Site.Name}");
    }

    // null: the metric does not read the site
    private ResumedModel? From(SiteEffects site, Estimator estimator)
    {
        var cut = new ModelCut(model, site.Site);
        var head = MetricGraph.Build(cut.Graph, metric.Kind, cut.Sites, model);
        var reached = cut.Reached(head.Value);
        var held = cut.Sites.Where(s => !reached.Contains(s)).ToList();
        if (!head.Gradients(estimator.Rules(), [cut.From], [cut.From, .. held]).TryGetValue(cut.From, out var gradient)) return null;
        var outputs = new[] { head.Value, head.G.Identity(gradient, GradientGraphs.GradientName(site.Site)) };
        // it lives for a run or two: to lay its weights out would take longer
        var resumed = new ResumedModel(model, cut, new(outputs, held) { Inputs = head.Inputs, Prepacks = false },
            clean.Tokens,
            s => clean.Sites[s]);
        resumed.Give(MetricGraph.Position, new long[] { metric.Position }, 1)
            .Give(MetricGraph.Target, new long[] { metric.Target })
            .Give(MetricGraph.Foil, new long[] { metric.Foil });
        if (metric.Kind == MetricKind.Kl)
        {
            resumed.Give(MetricGraph.Reference, Array.ConvertAll(Metric.Logprobs(clean.Logits), p => (float)p), clean.Logits.Length);
        }
        return resumed;
    }
}
