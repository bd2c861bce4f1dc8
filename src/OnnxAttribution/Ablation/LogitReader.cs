using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>What ablations, a row each, have done to the metric and to the next token's probabilities. Row 0 was left as it is.</summary>
/// <param name="clean">float32 [vocabulary], the clean run's logits at the metric's position.</param>
internal sealed class LogitReader(Metric metric, float[] clean, int threads)
{
    /// <summary>Tokens up, and as many down.</summary>
    public const int Most = 10;

    private readonly float[] _clean = clean;
    private readonly float[] _probabilities = SoftMax(clean);

    /// <summary>Token position at which the logits are read.</summary>
    public int Position => metric.Position;

    /// <summary>m(ablated) − m(clean) of rows 1, 2, …</summary>
    /// <param name="logits">float32 [rows, vocabulary].</param>
    public float[] MetricChanges(float[] logits, int rows)
    {
        var metrics = metric.Evaluate(logits, rows, _clean, threads);
        return [.. metrics.Skip(1).Select(m => (float)(m - metrics[0]))];
    }

    /// <summary>The tokens whose probability moved most, of rows 1, 2, …</summary>
    /// <param name="logits">float32 [rows, vocabulary].</param>
    /// <param name="ablated">What each of these rows ablates.</param>
    /// <returns>Node by node, up and then down, rank from 1.</returns>
    public IEnumerable<(NodeKey Node, int Rank, TokenChange Change)> MostMoved(float[] logits, ReadOnlyMemory<NodeKey> ablated)
    {
        var vocabulary = logits.Length / (ablated.Length + 1);
        var unchanged = SoftMax(logits.AsSpan(0, vocabulary));
        var moved = new (NodeKey, int, TokenChange)[ablated.Length][];
        Parallel.For(0, ablated.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
        {
            var node = ablated.Span[i];
            var change = SoftMax(logits.AsSpan((i + 1) * vocabulary, vocabulary));
            TensorPrimitives.Subtract(change, unchanged, change);
            var up = Largest(change).Select(c => (node, c.Rank, Changed(c.Token, c.Change))).ToList();
            TensorPrimitives.Negate(change, change);
            moved[i] = [.. up, .. Largest(change).Select(c => (node, c.Rank, Changed(c.Token, -c.Change)))];
        });
        return moved.SelectMany(m => m);
    }

    // the few largest positive entries: nearly all entries are smaller than the least of them, so blocks are passed over by their maximum
    private static IEnumerable<(int Rank, int Token, float Change)> Largest(ReadOnlySpan<float> change)
    {
        const int block = 256;
        var best = new List<(float Change, int Token)>(Most + 1);
        var least = 0f;
        for (var start = 0; start < change.Length; start += block)
        {
            var part = change.Slice(start, Math.Min(block, change.Length - start));
            if (TensorPrimitives.Max(part) <= least) continue;
            for (var i = 0; i < part.Length; i++)
            {
                if (part[i] <= least) continue;
                var at = best.Count;
                while (at > 0 && best[at - 1].Change < part[i]) at--;
                best.Insert(at, (part[i], start + i));
                if (best.Count > Most) best.RemoveAt(Most);
                if (best.Count == Most) least = best[^1].Change;
            }
        }
        return best.Select((b, i) => (i + 1, b.Token, b.Change));
    }

    // float32 throughout, as the columns are
    private TokenChange Changed(int token, float change) =>
        new(token, _probabilities[token], _probabilities[token] + change) { Change = change };

    // not TensorPrimitives.SoftMax: it does not take the maximum off, and overflows from logits of 89 on
    private static float[] SoftMax(ReadOnlySpan<float> logits)
    {
        var p = new float[logits.Length];
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max(logits), p);
        TensorPrimitives.Exp<float>(p, p);
        TensorPrimitives.Divide(p, TensorPrimitives.Sum<float>(p), p);
        return p;
    }
}
