using System.Numerics.Tensors;
using OnnxAttribution.Model;

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

    /// <param name="name">One of <see cref="Names"/>.</param>
    internal static MetricKind KindOf(string name) => (MetricKind)Names.ToList().IndexOf(name);

    /// <summary>A metric with its tokens: those given, or the run's top token and its best other one.</summary>
    /// <param name="logits">float32 [vocabulary], the clean run's at <paramref name="position"/>.</param>
    /// <exception cref="AttributionException">A token is no token id.</exception>
    internal static Metric Choose(MetricKind kind, int position, int? target, int? foil, ReadOnlySpan<float> logits)
    {
        RequireTokens(target, foil, logits.Length);
        var answer = target ?? TensorPrimitives.IndexOfMax(logits);
        if (foil is { } given) return new Metric(kind, position, answer, given);
        var others = logits.ToArray();
        others[answer] = float.NegativeInfinity;
        return new Metric(kind, position, answer, TensorPrimitives.IndexOfMax<float>(others));
    }

    /// <summary>The metric of a prompt, with what was left open taken from its clean run.</summary>
    /// <param name="position">null: the last.</param>
    /// <exception cref="AttributionException">The prompt has no such position, or the model no such token.</exception>
    internal static Metric Choose(ActivationCache clean, MetricKind kind, int? position, int? target, int? foil)
    {
        var at = position ?? clean.Tokens.Count - 1;
        return Choose(kind, at, target, foil, clean.Logits(at));
    }

    /// <exception cref="AttributionException">A token is given and is no token id.</exception>
    internal static void RequireTokens(int? target, int? foil, int vocabulary)
    {
        foreach (var (name, token) in new[] { ("--target", target), ("--foil", foil) })
        {
            if (token is { } t && (t < 0 || t >= vocabulary))
            {
                throw new AttributionException($"{name} {t} is no token id; ids are 0 to {vocabulary - 1}");
            }
        }
    }

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
    public double[] Of(float[] logits, int rows, ReadOnlySpan<float> clean, int threads = 1)
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
