using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>What one forward and backward pass over a prompt leaves: copies, so that nothing of the runtime stays alive.</summary>
internal sealed class ModelPass
{
    public required int[] Tokens { get; init; }
    public required float Metric { get; init; }
    public required int Target { get; init; }
    public required int Foil { get; init; }

    /// <summary>[vocabulary], at the metric's position.</summary>
    public required float[] Logits { get; init; }

    /// <summary>[T, d] of every site of the bundle, by name.</summary>
    public required IReadOnlyDictionary<string, float[]> Sites { get; init; }

    /// <summary>∂m/∂x, [T, d], of every selected site, and of the residual stream behind the first.</summary>
    public required IReadOnlyDictionary<string, float[]> Gradients { get; init; }

    public required long Operations { get; init; }

    /// <summary>It was too large to be run whole.</summary>
    public bool IsCheckpointed { get; init; }

    /// <summary>From so many tokens on a run's memory is returned to the system when it ends, since it grows with their square and many
    /// sessions run one after the other.</summary>
    internal const int LongFrom = 128;

    /// <param name="request">Tokens left open are the run's own.</param>
    /// <param name="estimator">Whose gradients; nothing else depends on it.</param>
    /// <param name="replacement">The prompt's, where MLPs are replaced.</param>
    /// <exception cref="AttributionException">An activation is NaN or infinite; the message names the site.</exception>
    public static ModelPass Run(LoadedModel model, int[] tokens, MetricRequest request, Estimator estimator = Estimator.Gradient,
        LocalReplacement? replacement = null)
    {
        // kl has gradient 0 at the clean run: a plain logit's pass gives its sites and logits
        var hasGradient = request.Kind != MetricKind.Kl;
        var (kind, sizes) = (hasGradient ? request.Kind : MetricKind.Logit, LocalReplacement.Sizes(tokens.Length, replacement));
        if (!PassMemory.RunsWhole(model, kind, estimator, sizes))
        {
            return Checkpointed(new CheckpointedPass(model, tokens, replacement), model, tokens, request, hasGradient ? estimator : null);
        }
        var (metric, runner, operations) = GradientGraphs.Of(model).Pass(kind, estimator, sizes);
        using var feed = Inputs(tokens, request);
        replacement?.AddTo(feed);
        runner.ReturnsMemory = tokens.Length >= LongFrom;
        using var result = runner.Run(feed.Values, runner.Outputs);
        var sites = model.Bundle.Sites.ToDictionary(s => s.Name,
            s => FiniteValues.Require(result.Copy(s.Name), $"the activations of {s.Name}"));
        return new ModelPass
        {
            Tokens = tokens,
            Metric = result.Floats(MetricGraph.ValueName)[0],
            Target = (int)result.Integers(metric.TargetToken.Name)[0],
            Foil = (int)result.Integers(metric.FoilToken.Name)[0],
            Logits = FiniteValues.Require(result.Copy(MetricGraph.LogitsName), "the logits"),
            Sites = sites,
            Gradients = GradientGraphs.WithGradients(model).ToDictionary(s => s.Name,
                s => hasGradient && runner.Outputs.Contains(GradientGraphs.GradientName(s))
                    ? FiniteValues.Require(result.Copy(GradientGraphs.GradientName(s)), $"the gradient at {s.Name}")
                    : new float[tokens.Length * model.WidthOf(s)]),
            Operations = operations,
        };
    }

    // estimator: null where there is no gradient
    private static ModelPass Checkpointed(CheckpointedPass pass, LoadedModel model, int[] tokens, MetricRequest request,
        Estimator? estimator)
    {
        var rules = estimator?.Rules();
        var wanted = GradientGraphs.WithGradients(model).ToDictionary(s => s.Name, s => model.Graph[s.Name]);
        var (result, metric) = pass.Forward(request, estimator is null ? MetricKind.Logit : request.Kind, rules);
        using (result)
        {
            if (rules is not null) pass.Back(rules, wanted.Values.ToHashSet());
            return new ModelPass
            {
                Tokens = tokens,
                Metric = result.Floats(MetricGraph.ValueName)[0],
                Target = (int)result.Integers(metric.TargetToken.Name)[0],
                Foil = (int)result.Integers(metric.FoilToken.Name)[0],
                Logits = FiniteValues.Require(result.Copy(MetricGraph.LogitsName), "the logits"),
                Sites = model.Bundle.Sites.Select(s => (s.Name, Value: pass.ValueOf(model.Graph[s.Name])))
                    .ToDictionary(s => s.Name, s => FiniteValues.Require(s.Value, $"the activations of {s.Name}")),
                Gradients = wanted.ToDictionary(w => w.Key, w => pass.GradientOf(w.Value) is { } g
                    ? FiniteValues.Require(g, $"the gradient at {w.Key}") : new float[pass.ValueOf(w.Value).Length]),
                Operations = pass.Operations,
                IsCheckpointed = true,
            };
        }
    }

    internal static Feed Inputs(int[] tokens, MetricRequest request) => new Feed().AddTokens(tokens).AddMetric(request, tokens.Length);
}
