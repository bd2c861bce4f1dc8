namespace OnnxAttribution.Attribution;

/// <summary>The scalar that a graph explains, read off the logits at one position.</summary>
public enum MetricKind
{
    /// <summary>logit[target].</summary>
    Logit,

    /// <summary>logit[target] − logit[foil].</summary>
    LogitDiff,

    /// <summary>log P(target).</summary>
    Logprob,

    /// <summary>−log P(target).</summary>
    Loss,

    /// <summary>P(target).</summary>
    Prob,

    /// <summary>KL(clean ‖ run), of the next-token distributions.</summary>
    Kl,
}

/// <param name="Position">Token position, 0-based.</param>
/// <param name="Target">Token id; for <see cref="MetricKind.Kl"/> not used.</param>
/// <param name="Foil">Token id; for <see cref="MetricKind.LogitDiff"/> only.</param>
public sealed record Metric(MetricKind Kind, int Position, int Target, int Foil)
{
    public static IReadOnlyList<string> Names { get; } = ["logit", "logit-diff", "logprob", "loss", "prob", "kl"];

    public static string NameOf(MetricKind kind) => Names[(int)kind];
}
