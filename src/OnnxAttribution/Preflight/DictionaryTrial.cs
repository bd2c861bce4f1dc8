using System.Collections.Concurrent;
using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Preflight;

/// <summary>
/// One dictionary read in one way or another, on rows of activations:
/// 1. the rows are taken as an <see cref="InputReading"/> says, and multiplied with W_enc by the runtime, 256 at a time, so that no dense activations are kept;
/// 2. for each <see cref="OutputReading"/>, which share the product, active features are found and decoded, rows side by side.
/// </summary>
/// <remarks>Holds all decoder rows while it lives: one dictionary is tried at a time.</remarks>
internal sealed class DictionaryTrial(SparseDictionary dictionary, EncoderProduct product, RunContext context)
{
    private const int RowsAtOnce = 256, RowsPerTask = 16;

    private readonly DecoderRows _decoder = dictionary.DecoderRows([.. Enumerable.Range(0, dictionary.FeatureCount)], context.Threads);
    private readonly ConcurrentDictionary<(int? K, bool HasThreshold), ConcurrentBag<ActiveFinder>> _finders = [];
    private readonly ConcurrentDictionary<int, float[]> _powers = [];

    public SparseDictionary Dictionary => dictionary;

    /// <summary>Lengths of the decoder rows, [n].</summary>
    public float[] Norms => Powers(1);

    /// <param name="x">[rows, d].</param>
    /// <param name="counts">[n], to which the number of tokens on which each feature is active is added; for the first of <paramref name="outputs"/>.</param>
    /// <param name="rebuilt">[some rows, d], filled with the reconstruction of the first rows; for the first of <paramref name="outputs"/>.</param>
    /// <returns>One fit for each of <paramref name="outputs"/>.</returns>
    public Fit[] Fits(InputReading input, IReadOnlyList<OutputReading> outputs, float[] x, RowLayout layout, int[]? counts = null, float[]? rebuilt = null)
    {
        var d = dictionary.Width;
        var target = input.Centres ? Centred(x, d) : x;
        var sums = outputs.Select(_ => new FitSums(layout)).ToArray();
        for (var first = 0; first < layout.Rows; first += RowsAtOnce)
        {
            context.Cancel.ThrowIfCancellationRequested();
            var count = Math.Min(RowsAtOnce, layout.Rows - first);
            using var result = product.Run(dictionary, Encoded(input, target.AsSpan(first * d, count * d)), count);
            var begin = first;
            Parallel.For(0, (count + RowsPerTask - 1) / RowsPerTask, new ParallelOptions { MaxDegreeOfParallelism = context.Threads }, task =>
            {
                for (var i = 0; i < outputs.Count; i++)
                {
                    var from = task * RowsPerTask;
                    Decode(input, outputs[i], result.Floats(EncoderProduct.Output), from, Math.Min(RowsPerTask, count - from), begin, target, sums[i], layout, i == 0 ? counts : null, i == 0 ? rebuilt : null);
                }
            });
        }
        var variance = FitSums.Variance(target, d, layout);
        return [.. sums.Select(s => s.Of(variance))];
    }

    public Fit Fit(InputReading input, OutputReading output, float[] x, RowLayout layout) => Fits(input, [output], x, layout)[0];

    private float[] Encoded(InputReading input, ReadOnlySpan<float> y)
    {
        var d = dictionary.Width;
        var rows = input.Norm.Changes ? input.Norm.Apply(y, d) : y.ToArray();
        if (input.Scale != 1) TensorPrimitives.Multiply(rows, input.Scale, rows);
        if (!input.SubtractsDecoderBias) return rows;
        for (var start = 0; start < rows.Length; start += d) TensorPrimitives.Subtract(rows.AsSpan(start, d), dictionary.DecoderBias.Span, rows.AsSpan(start, d));
        return rows;
    }

    /// <param name="from">The task's first row in the block that begins at <paramref name="begin"/>.</param>
    private void Decode(InputReading input, OutputReading output, ReadOnlySpan<float> product, int from, int count, int begin, float[] target, FitSums sums, RowLayout layout, int[]? counts, float[]? rebuilt)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        var bag = _finders.GetOrAdd((output.K, output.HasThreshold), _ => []);
        if (!bag.TryTake(out var finder)) finder = new ActiveFinder(n, output.K, output.HasThreshold ? dictionary.Threshold : null);
        var pre = product.Slice(from * n, count * n);
        if (output.SelectsByNorm) pre = TimesNorms(pre);
        var found = new SparseRows();
        finder.Add(pre, found);
        bag.Add(finder);
        var power = output.NormPower - (output.SelectsByNorm ? 1 : 0);
        var weights = power == 0 ? null : Powers(power);
        var row = new float[d];
        for (var r = 0; r < count; r++)
        {
            var at = begin + from + r;
            var features = found.Features(r);
            var activations = found.Activations(r);
            dictionary.DecoderBias.Span.CopyTo(row);
            for (var i = 0; i < features.Length; i++) TensorPrimitives.MultiplyAdd(_decoder.At(features[i]), activations[i] * (weights?[features[i]] ?? 1), row, row);
            var y = target.AsSpan(at * d, d);
            var (mean, scale) = input.Norm.Statistics(y);
            TensorPrimitives.Multiply(row, scale / input.Scale, row);
            if (mean != 0) TensorPrimitives.Add(row, mean, row);
            sums.Set(at, y, row, features.Length);
            if (rebuilt is not null && (at + 1) * d <= rebuilt.Length) row.CopyTo(rebuilt.AsSpan(at * d));
            if (counts is null || layout.IsFirst(at)) continue;
            foreach (var f in features) Interlocked.Increment(ref counts[f]);
        }
    }

    private float[] TimesNorms(ReadOnlySpan<float> pre)
    {
        var scaled = new float[pre.Length];
        for (var start = 0; start < pre.Length; start += Norms.Length) TensorPrimitives.Multiply(pre.Slice(start, Norms.Length), Norms, scaled.AsSpan(start));
        return scaled;
    }

    private float[] Powers(int power) => _powers.GetOrAdd(power, p =>
    {
        var result = new float[dictionary.FeatureCount];
        for (var i = 0; i < result.Length; i++)
        {
            var norm = TensorPrimitives.Norm<float>(_decoder.At(i));
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
