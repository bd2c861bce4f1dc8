using OnnxAttribution.Attribution;

namespace OnnxAttribution.Ablation;

/// <summary>The metric of a prompt, with what was left open taken from its clean run.</summary>
internal static class MetricOf
{
    /// <param name="position">null: the last.</param>
    /// <param name="target">null: the clean run's top token.</param>
    /// <param name="foil">null: the best token but the target.</param>
    /// <exception cref="AttributionException">The prompt has no such position, or the model no such token.</exception>
    public static Metric Prompt(CleanRun clean, MetricKind kind, int? position, int? target, int? foil)
    {
        var at = position ?? clean.Tokens.Count - 1;
        var logits = clean.Logits(at);
        foreach (var token in (int?[])[target, foil])
        {
            if (token is { } t && (t < 0 || t >= logits.Length)) throw new AttributionException($"target or foil {t} is no token id; ids are 0 to {logits.Length - 1}");
        }
        var best = target ?? Best(logits, -1);
        return new Metric(kind, at, best, foil ?? Best(logits, best));
    }

    private static int Best(ReadOnlySpan<float> logits, int but)
    {
        var best = but == 0 ? 1 : 0;
        for (var i = best + 1; i < logits.Length; i++)
        {
            if (i != but && logits[i] > logits[best]) best = i;
        }
        return best;
    }
}
