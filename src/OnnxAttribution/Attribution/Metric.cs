using System.Numerics.Tensors;

namespace OnnxAttribution.Attribution;

/// <summary>The scalar that a graph explains, read off the logits at one position.</summary>
public enum MetricKind
{
    /// <summary>logit[target], in logits.</summary>
    Logit,

    /// <summary>logit[target] − logit[foil], in logits.</summary>
    LogitDiff,

    /// <summary>ln P(target), in nats.</summary>
    Logprob,

    /// <summary>−ln P(target), in nats.</summary>
    Loss,

    /// <summary>P(target), a probability from 0 to 1.</summary>
    Prob,

    /// <summary>KL(clean ‖ run) of the next-token distributions, in nats.</summary>
    Kl,
}

/// <summary>A metric of one prompt: its kind, where it is read and of which tokens.</summary>
/// <param name="Kind">Which scalar it is; says its unit too.</param>
/// <param name="Position">Token position from 0, BOS counted.</param>
/// <param name="Target">Token id; not used for <see cref="MetricKind.Kl"/>.</param>
/// <param name="Foil">Token id; used for <see cref="MetricKind.LogitDiff"/>.</param>
public sealed record Metric(MetricKind Kind, int Position, int Target, int Foil)
{
    /// <summary>What the metrics are called on the command line and in run.json, in the order of <see cref="MetricKind"/>.</summary>
    internal static IReadOnlyList<string> Names { get; } = ["logit", "logit-diff", "logprob", "loss", "prob", "kl"];

    /// <summary>What a metric is called on the command line and in run.json.</summary>
    internal static string NameOf(MetricKind kind) => Names[(int)kind];

    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">It is none of them.</exception>
    internal static MetricKind KindOf(string name) => Names.ToList().IndexOf(name) is var kind and >= 0
        ? (MetricKind)kind
        : throw new ArgumentException($"there is no metric '{name}', only {string.Join(", ", Names)}", nameof(name));

    /// <summary>The likeliest tokens and their probabilities.</summary>
    internal static List<(int Token, float Probability)> Top(ReadOnlySpan<float> logits, int count)
    {
        var p = Logprobs(logits);
        return [.. Enumerable.Range(0, p.Length).OrderByDescending(i => p[i]).Take(count).Select(i => (i, (float)Math.Exp(p[i])))];
    }

    /// <summary>Probabilities of its own tokens; NaN of one that it has not.</summary>
    internal (float Target, float Foil) Probabilities(ReadOnlySpan<float> logits)
    {
        var p = Logprobs(logits);
        return (Kind == MetricKind.Kl ? float.NaN : (float)Math.Exp(p[Target]),
            Kind == MetricKind.LogitDiff ? (float)Math.Exp(p[Foil]) : float.NaN);
    }

    /// <summary>The metric of each row, in the metric's unit and double precision.</summary>
    /// <param name="logits">float32 [rows, vocabulary] at the metric's position.</param>
    /// <param name="clean">float32 [vocabulary], the clean run's, for <see cref="MetricKind.Kl"/>.</param>
    /// <param name="threads">Rows at a time.</param>
    internal double[] Evaluate(float[] logits, int rows, ReadOnlySpan<float> clean, int threads = 1)
    {
        var vocabulary = logits.Length / rows;
        var reference = Kind == MetricKind.Kl ? Logprobs(clean) : [];
        var values = new double[rows];
        Parallel.For(0, rows, new ParallelOptions { MaxDegreeOfParallelism = threads },
            r => values[r] = One(logits.AsSpan(r * vocabulary, vocabulary), reference));
        return values;
    }

    /// <summary>The tokens whose logits are all that it reads; null: it reads the whole vocabulary.</summary>
    internal IReadOnlyList<int>? Tokens =>
        Kind switch { MetricKind.Logit => [Target], MetricKind.LogitDiff => [Target, Foil], _ => null };

    /// <summary>The same of logits at <see cref="Tokens"/> only.</summary>
    internal Metric OfTokens => Tokens is null ? this : this with { Target = 0, Foil = 1 };

    /// <summary>ln P of every token, in nats.</summary>
    internal static double[] Logprobs(ReadOnlySpan<float> logits)
    {
        var max = TensorPrimitives.Max(logits);
        var result = new double[logits.Length];
        double sum = 0;
        for (var i = 0; i < result.Length; i++) sum += Math.Exp(result[i] = logits[i] - (double)max);
        var norm = Math.Log(sum);
        for (var i = 0; i < result.Length; i++) result[i] -= norm;
        return result;
    }

    private double One(ReadOnlySpan<float> logits, double[] reference)
    {
        switch (Kind)
        {
            case MetricKind.Logit:
                return logits[Target];
            case MetricKind.LogitDiff:
                return (double)logits[Target] - logits[Foil];
            case MetricKind.Kl:
                var logprobs = Logprobs(logits);
                double divergence = 0;
                for (var i = 0; i < reference.Length; i++) divergence += Math.Exp(reference[i]) * (reference[i] - logprobs[i]);
                return divergence;
            default:
                var logprob = Logprobs(logits)[Target];
                return Kind switch { MetricKind.Loss => -logprob, MetricKind.Prob => Math.Exp(logprob), _ => logprob };
        }
    }
}
