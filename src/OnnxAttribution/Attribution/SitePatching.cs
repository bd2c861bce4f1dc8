using System.Numerics.Tensors;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Runs of the model with one site changed, a batch row per change, resumed from that site: what lies before it is not computed again.
/// Used for integrated gradients: a row per step.
/// </summary>
internal sealed class SitePatching : IDisposable
{
    private readonly GraphRunner _runner;
    private readonly Feed _fixed = new();
    private readonly SiteEffects _site;
    private readonly int _positions;
    private readonly int _rowsPerRun;

    /// <param name="estimator">Whose gradients are meant.</param>
    public SitePatching(LoadedModel model, SiteEffects site, ModelPass clean, Metric metric, int[] tokens, Estimator estimator)
    {
        _site = site;
        _positions = tokens.Length;
        var graph = model.Bundle.WithoutInterventions(batch: null);
        var sites = model.Bundle.Sites.Select(s => graph[s.Name]).ToList();
        var value = graph[site.Site.Name];
        var head = MetricGraph.Build(graph, metric.Kind, sites);
        // tensors that the change does not reach stay at their clean values, so they need no batch
        var changed = Topology.DependentOn([value], Topology.Between([], [head.Value]));
        var frozen = sites.Where(s => !changed.Contains(s)).ToList();
        var outputs = new List<Value> { head.Value };
        var gradients = head.Gradients(estimator.Rules(), [value], [value, .. frozen]);
        if (gradients.TryGetValue(value, out var gradient)) outputs.Add(head.G.Identity(gradient, GradientGraphs.GradientName(site.Site)));
        var resumed = new OnnxGraph([value, .. frozen, graph["tokens"], .. head.Inputs], outputs) { Broadcast = frozen.ToHashSet() };
        // a runner lives for a run or two: to lay its weights out would take longer
        _runner = new GraphRunner(resumed, model.Context, model.Bundle.Directory, prepack: false);
        var perRow = FlopCount.BytesPer(resumed, "batch", new Dictionary<string, long> { ["position"] = tokens.Length });
        _rowsPerRun = BatchRows.Of(model.Context.MemoryBudget, perRow, (long)tokens.Length * site.Width, 1);

        foreach (var f in frozen) _fixed.Add(f.Name, clean.Sites[f.Name], 1, tokens.Length, clean.Sites[f.Name].Length / tokens.Length);
        _fixed.Add("tokens", Array.ConvertAll(tokens, t => (long)t), 1, tokens.Length)
            .Add(MetricGraph.Position, new long[] { metric.Position }, 1)
            .Add(MetricGraph.Target, new long[] { metric.Target }).Add(MetricGraph.Foil, new long[] { metric.Foil });
        if (metric.Kind == MetricKind.Kl)
        {
            _fixed.Add(MetricGraph.Reference, Array.ConvertAll(Metric.Logprobs(clean.Logits), p => (float)p), clean.Logits.Length);
        }
    }

    /// <summary>Mean of ∂m/∂x, [T, d], over left Riemann steps α = k / steps from the clean end,
    /// all nodes of the site moved together.</summary>
    /// <remarks>Marks et al. 2024, equation 3.</remarks>
    public float[] MeanGradient(int steps)
    {
        var change = _site.WholeChange();
        var mean = new float[change.Length];
        if (!_runner.Outputs.Contains(GradientGraphs.GradientName(_site.Site))) return mean;
        ForEachBatch(steps, (k, x) =>
        {
            var alpha = (float)k / steps;
            TensorPrimitives.MultiplyAdd(change, alpha, _site.Clean, x);
        }, (_, count, result) =>
        {
            var gradients = result.Floats(GradientGraphs.GradientName(_site.Site));
            for (var i = 0; i < count; i++) TensorPrimitives.Add(mean, gradients.Slice(i * mean.Length, mean.Length), mean);
        });
        TensorPrimitives.Divide(mean, steps, mean);
        return FiniteValues.Require(mean, $"the gradients at {_site.Site.Name}");
    }

    public void Dispose()
    {
        _runner.Dispose();
        _fixed.Dispose();
    }

    private delegate void Fill(int row, Span<float> x);

    private void ForEachBatch(int rows, Fill fill, Action<int, int, RunResult> take)
    {
        var size = _positions * _site.Width;
        for (var first = 0; first < rows; first += _rowsPerRun)
        {
            var count = Math.Min(_rowsPerRun, rows - first);
            var batch = new float[count * size];
            for (var i = 0; i < count; i++) fill(first + i, batch.AsSpan(i * size, size));
            using var feed = new Feed().Add(_site.Site.Name, batch, count, _positions, _site.Width);
            foreach (var (name, value) in _fixed.Values) feed.Lend(name, value);
            using var result = _runner.Run(feed.Values, _runner.Outputs);
            take(first, count, result);
        }
    }
}
