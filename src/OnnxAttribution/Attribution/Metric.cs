using System.Numerics.Tensors;

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
    /// <summary>What the metrics are called on the command line and in run.json, in the order of <see cref="MetricKind"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["logit", "logit-diff", "logprob", "loss", "prob", "kl"];

    /// <summary>What a metric is called on the command line and in run.json.</summary>
    public static string NameOf(MetricKind kind) => Names[(int)kind];

    /// <param name="name">One of <see cref="Names"/>.</param>
    internal static MetricKind KindOf(string name) => (MetricKind)Names.ToList().IndexOf(name);

    /// <summary>The likeliest tokens and their probabilities.</summary>
    internal static List<(int Token, float Probability)> Top(ReadOnlySpan<float> logits, int count)
    {
        var p = Logprobs(logits);
        return [.. Enumerable.Range(0, p.Length).OrderByDescending(i => p[i]).Take(count).Select(i => (i, (float)Math.Exp(p[i])))];
    }

    /// <summary>The metric of each row, in double precision.</summary>
    /// <param name="logits">float32 [rows, vocabulary] at the metric's position.</param>
    /// <param name="clean">float32 [vocabulary], the clean run's, for <see cref="MetricKind.Kl"/>.</param>
    /// <param name="threads">Rows at a time.</param>
    public double[] Evaluate(float[] logits, int rows, ReadOnlySpan<float> clean, int threads = 1)
    {
        var vocabulary = logits.Length / rows;
        var reference = Kind == MetricKind.Kl ? Logprobs(clean) : [];
        var values = new double[rows];
        Parallel.For(0, rows, new ParallelOptions { MaxDegreeOfParallelism = threads },
            r => values[r] = One(logits.AsSpan(r * vocabulary, vocabulary), reference));
        return values;
    }

    /// <summary>ln P of every token.</summary>
    public static double[] Logprobs(ReadOnlySpan<float> logits)
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
