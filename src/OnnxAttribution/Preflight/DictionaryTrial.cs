using System.Collections.Concurrent;
using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Preflight;

/// <summary>The rows of activations that a dictionary is tried on.</summary>
/// <param name="X">[rows, d].</param>
internal sealed record TrialRows(float[] X, RowLayout Layout)
{
    /// <summary>[n], to which the number of tokens on which each feature is active is added, by the first reading of the output.</summary>
    public int[]? Counts { get; init; }

    /// <summary>[some rows, d], filled with the reconstruction of the first rows, by the first reading of the output.</summary>
    public float[]? Rebuilt { get; init; }
}

/// <summary>
/// One dictionary read in one way or another, on rows of activations:
/// 1. the rows are taken as an <see cref="InputReading"/> says,
///    and multiplied with W_enc by the runtime, 256 at a time, so that no dense activations are kept;
/// 2. for each <see cref="OutputReading"/>, which share the product, active features are found and decoded, rows side by side.
/// </summary>
/// <remarks>Holds all decoder rows while it lives: one dictionary is tried at a time.</remarks>
internal sealed class DictionaryTrial(SparseDictionary dictionary, DictionaryEncoder encoder, RunContext context)
{
    private const int RowsAtOnce = 256, RowsPerTask = 16;

    /// <summary>From one active feature in so many on, a whole product is quicker.</summary>
    private const int DenseFrom = 12;

    private readonly FeatureVectors _decoder = dictionary.DecoderRows([.. Enumerable.Range(0, dictionary.FeatureCount)], context.Threads);
    private readonly ConcurrentDictionary<int, float[]> _powers = [];

    public SparseDictionary Dictionary => dictionary;

    /// <summary>Lengths of the decoder rows, [n].</summary>
    public float[] Norms => Powers(1);

    /// <returns>One fit for each of <paramref name="outputs"/>.</returns>
    public ReconstructionFit[] Measure(InputReading input, IReadOnlyList<OutputReading> outputs, TrialRows rows)
    {
        var (d, layout) = (dictionary.Width, rows.Layout);
        var target = input.Centres ? Centred(rows.X, d) : rows.X;
        var sums = outputs.Select(_ => new FitSums(layout)).ToArray();
        for (var first = 0; first < layout.Rows; first += RowsAtOnce)
        {
            context.Cancel.ThrowIfCancellationRequested();
            var count = Math.Min(RowsAtOnce, layout.Rows - first);
            using var result = encoder.PreActivations(dictionary, Encoded(input, target.AsSpan(first * d, count * d)));
            var (begin, found) = (first, new SparseRows[outputs.Count, (count + RowsPerTask - 1) / RowsPerTask]);
            InParallel(found.Length, i => found[i % outputs.Count, i / outputs.Count] = Found(outputs[i % outputs.Count],
                result.Floats(EncoderGraph.Values), i / outputs.Count * RowsPerTask, count));
            for (var i = 0; i < outputs.Count; i++)
            {
                SparseRows[] active = [.. Enumerable.Range(0, found.GetLength(1)).Select(task => found[i, task])];
                var decoded = Decoded(active, count, Weights(outputs[i]));
                var (sum, countTo, keep) = (sums[i], i == 0 ? rows.Counts : null, i == 0 ? rows.Rebuilt : null);
                InParallel(active.Length, task =>
                {
                    for (var r = 0; r < active[task].Rows; r++)
                    {
                        var at = begin + (task * RowsPerTask) + r;
                        var row = decoded.AsSpan(((task * RowsPerTask) + r) * d, d);
                        Finish(input, target.AsSpan(at * d, d), row);
                        var features = active[task].Features(r);
                        sum.Set(at, target.AsSpan(at * d, d), row, features.Length);
                        if (keep is not null && (at + 1) * d <= keep.Length) row.CopyTo(keep.AsSpan(at * d));
                        if (countTo is null || layout.IsFirst(at)) continue;
                        foreach (var f in features) Interlocked.Increment(ref countTo[f]);
                    }
                });
            }
        }
        var variance = FitSums.Variance(target, d, layout);
        return [.. sums.Select(s => s.Fit(variance))];
    }

    private float[] Encoded(InputReading input, ReadOnlySpan<float> y)
    {
        var d = dictionary.Width;
        var rows = input.Norm.Changes ? input.Norm.Apply(y, d) : y.ToArray();
        if (input.Scale != 1) TensorPrimitives.Multiply(rows, input.Scale, rows);
        if (!input.SubtractsDecoderBias) return rows;
        for (var start = 0; start < rows.Length; start += d)
        {
            TensorPrimitives.Subtract(rows.AsSpan(start, d), dictionary.DecoderBias.Span, rows.AsSpan(start, d));
        }
        return rows;
    }

    private SparseRows Found(OutputReading output, ReadOnlySpan<float> product, int from, int rows)
    {
        var n = dictionary.FeatureCount;
        var pre = product.Slice(from * n, Math.Min(RowsPerTask, rows - from) * n);
        var found = new SparseRows();
        var rule = new ActiveRule(n, output.K, output.HasThreshold ? dictionary.Threshold : null);
        encoder.Find(output.SelectsByNorm ? TimesNorms(pre) : pre, rule, found);
        return found;
    }

    /// <summary>What decoder rows count with beside what they are; null: 1.</summary>
    private float[]? Weights(OutputReading output)
    {
        var power = output.NormPower - (output.SelectsByNorm ? 1 : 0);
        return power == 0 ? null : Powers(power);
    }

    // f W_dec + b_dec, [rows, d]: row by row where few features are active, else, as where TopK was forgotten, as one product
    private float[] Decoded(SparseRows[] active, int rows, float[]? weights)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        var result = new float[rows * d];
        if (active.Sum(a => Enumerable.Range(0, a.Rows).Sum(r => (long)a.Features(r).Length)) <= (long)rows * n / DenseFrom)
        {
            InParallel(active.Length, task =>
            {
                for (var r = 0; r < active[task].Rows; r++)
                {
                    var row = result.AsSpan(((task * RowsPerTask) + r) * d, d);
                    dictionary.DecoderBias.Span.CopyTo(row);
                    var features = active[task].Features(r);
                    var activations = active[task].Activations(r);
                    for (var i = 0; i < features.Length; i++)
                    {
                        TensorPrimitives.MultiplyAdd(_decoder[features[i]], activations[i] * (weights?[features[i]] ?? 1), row, row);
                    }
                }
            });
            return result;
        }
        var dense = new float[checked(rows * n)];
        InParallel(active.Length, task =>
        {
            for (var r = 0; r < active[task].Rows; r++)
            {
                var row = dense.AsSpan(((task * RowsPerTask) + r) * n, n);
                var features = active[task].Features(r);
                var activations = active[task].Activations(r);
                for (var i = 0; i < features.Length; i++) row[features[i]] = activations[i] * (weights?[features[i]] ?? 1);
            }
        });
        encoder.Decode(dictionary, dense, _decoder.Of([.. Enumerable.Range(0, n)]), result);
        return result;
    }

    // what was done to the input is undone
    private static void Finish(InputReading input, ReadOnlySpan<float> y, Span<float> row)
    {
        var (mean, scale) = input.Norm.Statistics(y);
        if (scale != input.Scale) TensorPrimitives.Multiply(row, scale / input.Scale, row);
        if (mean != 0) TensorPrimitives.Add(row, mean, row);
    }

    private void InParallel(int count, Action<int> body) =>
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = context.Threads }, body);

    private float[] TimesNorms(ReadOnlySpan<float> pre)
    {
        var scaled = new float[pre.Length];
        for (var start = 0; start < pre.Length; start += Norms.Length)
        {
            TensorPrimitives.Multiply(pre.Slice(start, Norms.Length), Norms, scaled.AsSpan(start));
        }
        return scaled;
    }

    private float[] Powers(int power) => _powers.GetOrAdd(power, p =>
    {
        var result = new float[dictionary.FeatureCount];
        for (var i = 0; i < result.Length; i++)
        {
            var norm = TensorPrimitives.Norm<float>(_decoder[i]);
            result[i] = norm == 0 ? 0 : MathF.Pow(norm, p);
        }
        return result;
    });

    private static float[] Centred(float[] x, int width)
    {
        var result = new float[x.Length];
        for (var start = 0; start < x.Length; start += width)
        {
            var row = x.AsSpan(start, width);
            TensorPrimitives.Subtract(row, TensorPrimitives.Sum<float>(row) / width, result.AsSpan(start));
        }
        return result;
    }
}
