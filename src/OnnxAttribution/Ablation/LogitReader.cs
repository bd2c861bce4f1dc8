using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>What ablations, a row each, have done to the metric and to the next token's probabilities. Row 0 was left as it is.</summary>
internal sealed class LogitReader(Metric metric, float[] clean, int threads)
{
    /// <summary>Tokens up, and as many down.</summary>
    public const int Most = 10;

    private readonly float[] _clean = clean;
    private readonly float[] _probabilities = SoftMax(clean);

    /// <summary>m(ablated) − m(clean) of rows 1, 2, …</summary>
    public float[] Metrics(float[] logits, int rows)
    {
        var metrics = metric.Of(logits, rows, _clean, threads);
        return [.. metrics.Skip(1).Select(m => (float)(m - metrics[0]))];
    }

    /// <summary>The tokens whose probability moved most, of rows 1, 2, …, up and then down.</summary>
    /// <param name="logits">float32 [rows, vocabulary].</param>
    /// <param name="firstNode">Index of the node that row 1 ablates.</param>
    public NodeTokenChange[][] Moved(float[] logits, int rows, int firstNode)
    {
        var vocabulary = logits.Length / rows;
        var unchanged = SoftMax(logits.AsSpan(0, vocabulary));
        var moved = new NodeTokenChange[rows - 1][];
        Parallel.For(1, rows, new ParallelOptions { MaxDegreeOfParallelism = threads }, r =>
        {
            var change = SoftMax(logits.AsSpan(r * vocabulary, vocabulary));
            TensorPrimitives.Subtract(change, unchanged, change);
            var up = Largest(change, firstNode + r - 1, up: true);
            TensorPrimitives.Negate(change, change);
            moved[r - 1] = [.. up, .. Largest(change, firstNode + r - 1, up: false)];
        });
        return moved;
    }

    // the few largest positive entries: nearly all entries are smaller than the least of them, so blocks are passed over by their maximum
    private List<NodeTokenChange> Largest(ReadOnlySpan<float> change, int node, bool up)
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
        return [.. best.Select((b, i) => new NodeTokenChange(node, i + 1, Changed(b.Token, up ? b.Change : -b.Change)))];
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
