using System.Numerics.Tensors;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>A metric as it is asked for, before a clean run says what was left open.
/// The default is the top token's logit at the end.</summary>
/// <param name="Kind">Which scalar it is; says its unit too.</param>
/// <param name="Position">Token position, 0-based, BOS counted; null: the last.</param>
/// <param name="Target">Token id that the metric is about; null: the clean run's top token.</param>
/// <param name="Foil">Other token id of <see cref="MetricKind.LogitDiff"/>; null: the clean run's best token but the target.</param>
public readonly record struct MetricRequest(MetricKind Kind = MetricKind.Logit, int? Position = null, int? Target = null, int? Foil = null)
{
    /// <summary>The same metric, asked of another run.</summary>
    internal static MetricRequest Of(Metric metric) => new(metric.Kind, metric.Position, metric.Target, metric.Foil);

    /// <summary>The metric of a prompt, with what was left open taken from its clean run.</summary>
    /// <exception cref="AttributionException">The prompt has no such position, or the model no such token.</exception>
    internal Metric Choose(ActivationCache clean)
    {
        var position = Position ?? clean.Tokens.Count - 1;
        return Choose(position, clean.Logits(position));
    }

    /// <summary>The same by the clean run's logits at the metric's position.</summary>
    /// <exception cref="AttributionException">The model has no such token.</exception>
    internal Metric Choose(int position, ReadOnlySpan<float> logits)
    {
        RequireTokens(logits.Length);
        var target = Target ?? TensorPrimitives.IndexOfMax(logits);
        return new Metric(Kind, position, target, Foil ?? BestBut(target, logits));
    }

    /// <exception cref="AttributionException">A token is given and is no token id.</exception>
    internal void RequireTokens(int vocabulary)
    {
        foreach (var (name, token) in new[] { (Setting.Target, Target), (Setting.Foil, Foil) })
        {
            if (token is { } t && (t < 0 || t >= vocabulary))
            {
                throw new AttributionException($"the {EnumName.Of(name)} {t} is no token id; ids are 0 to {vocabulary - 1}")
                {
                    Settings = [name]
                };
            }
        }
    }

    private static int BestBut(int target, ReadOnlySpan<float> logits)
    {
        var others = logits.ToArray();
        others[target] = float.NegativeInfinity;
        return TensorPrimitives.IndexOfMax<float>(others);
    }
}
