using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Patching;

/// <summary>Attribution patching of the same places: the metric's gradient at every hook, by one forward and backward pass over the run
/// that is patched, times what the other run has more there. Owns its session; who makes one disposes it.</summary>
/// <remarks>Nanda 2023, Attribution patching; Kramár et al. 2024 (arXiv:2403.00745), equation 3.</remarks>
internal sealed class PatchEstimate : IDisposable
{
    private readonly HookTable _hooks;
    private readonly Dictionary<string, string> _gradients = [];
    private readonly GraphRunner _runner;

    /// <param name="hooks">Hook names.</param>
    public PatchEstimate(LoadedModel model, MetricKind kind, IReadOnlyList<string> hooks)
    {
        _hooks = new HookTable(model.Bundle, model.Graph);
        var metric = MetricGraph.Build(model.Graph, kind, model.AllSites);
        var values = hooks.ToDictionary(h => h, h => _hooks.Find(h).Value);
        var found = metric.Gradients(Estimator.Gradient.Rules(), [.. values.Values.Distinct()], []);
        var outputs = new List<Value> { metric.Value };
        foreach (var (hook, value) in values)
        {
            // the metric may not depend on it at all
            if (!found.TryGetValue(value, out var gradient)) continue;
            _gradients[hook] = hook + ".grad";
            outputs.Add(metric.G.Identity(gradient, _gradients[hook]));
        }
        _runner = model.Runner(new OnnxGraph([model.Graph[Bundles.ModelBundle.Tokens], .. metric.Inputs], outputs));
    }

    /// <summary>How much the metric changes, in its own unit, by the linear estimate.</summary>
    /// <param name="of">The metric, and logits [vocabulary] of the clean run at its position.</param>
    /// <exception cref="AttributionException">A gradient overflows.</exception>
    public double[] Of(ActivationCache patched, ActivationCache source, (Metric Metric, float[] Reference) of,
        IReadOnlyList<PatchPlace> places)
    {
        var positions = patched.Tokens.Count;
        using var feed = new Feed().AddTokens(patched.TokenArray).AddMetric(MetricRequest.Of(of.Metric), positions)
            .Add(MetricGraph.Reference, Array.ConvertAll(Metric.Logprobs(of.Reference), p => (float)p), of.Reference.Length);
        using var result = _runner.Run(feed.Values, _runner.Outputs);
        var (values, products) = (new double[places.Count], new Dictionary<string, float[]>());
        for (var i = 0; i < places.Count; i++)
        {
            var place = places[i];
            if (!_gradients.TryGetValue(place.Hook, out var name)) continue;
            if (!products.TryGetValue(place.Hook, out var product))
            {
                product = source.Hook(place.Hook);
                TensorPrimitives.Subtract(product, patched.Hook(place.Hook), product);
                TensorPrimitives.Multiply(product, FiniteValues.Require(result.Floats(name), $"the gradient at {place.Hook}"), product);
                products.Add(place.Hook, product);
            }
            var hook = _hooks.Find(place.Hook);
            foreach (var offset in hook.Offsets(positions, place.Head, place.Position))
            {
                foreach (var x in product.AsSpan(offset, hook.WidthOf(positions))) values[i] += x;
            }
        }
        return values;
    }

    public void Dispose() => _runner.Dispose();
}
