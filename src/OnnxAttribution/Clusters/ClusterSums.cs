using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Clusters;

/// <summary>Clusters' sums, column by column.</summary>
internal sealed class ClusterSums : IClusterSums
{
    private const int MostVectors = 4;

    private readonly UnitVectors _rows;
    private readonly float[] _sums;   // [width, stride], so that a vector meets all clusters at once
    private readonly int _clusters, _stride, _threads;

    /// <param name="labels">Each vector's cluster, from 0; below 0: none.</param>
    /// <param name="threads">Each adds up clusters of its own, in the vectors' order.</param>
    public ClusterSums(UnitVectors rows, IReadOnlyList<int> labels, int clusters, int threads)
    {
        (_rows, _clusters, _stride, _threads, Counts) = (rows, clusters, Stride(clusters), threads, new int[clusters]);
        _sums = new float[rows.Width * (long)_stride];
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            for (var row = 0; row < rows.Count; row++)
            {
                if (labels[row] is var label && (label < 0 || label % threads != thread)) continue;
                var (columns, values) = (rows.Columns(row), rows.Values(row));
                Counts[label]++;
                for (var i = 0; i < columns.Length; i++) _sums[(columns[i] * (long)_stride) + label] += values[i];
            }
        });
    }

    /// <summary>Bytes that the sums of so many clusters take.</summary>
    public static long Bytes(UnitVectors rows, int clusters) => sizeof(float) * (long)rows.Width * Stride(clusters);

    // clusters in whole vectors of the processor's
    private static int Stride(int clusters) => (clusters + Vector<float>.Count - 1) / Vector<float>.Count * Vector<float>.Count;

    public int[] Counts { get; }

    public double[] Lengths()
    {
        var squares = new double[_stride];
        var first = 0;
        foreach (var some in MemoryMarshal.Cast<float, Vector<float>>(_sums.AsSpan()))
        {
            Vector.Widen(some, out var low, out var high);
            var at = MemoryMarshal.Cast<double, Vector<double>>(squares.AsSpan(first, Vector<float>.Count));
            at[0] += low * low;
            at[1] += high * high;
            first = (first + Vector<float>.Count) % _stride;
        }
        return [.. squares.Take(_clusters).Select(Math.Sqrt)];
    }

    public void Move(int row, int from, int to)
    {
        var (columns, values) = (_rows.Columns(row), _rows.Values(row));
        for (var i = 0; i < columns.Length; i++)
        {
            var at = columns[i] * (long)_stride;
            _sums[at + from] -= values[i];
            _sums[at + to] += values[i];
        }
        (Counts[from], Counts[to]) = (Counts[from] - 1, Counts[to] + 1);
    }

    public IClusterSums Relabelled(IReadOnlyList<int> from, IReadOnlyList<int> to) => new ClusterSums(_rows, to, _clusters, _threads);

    /// <remarks>Tried and lost: a call of TensorPrimitives.MultiplyAdd for each value.</remarks>
    public void Products(int row, Span<float> products)
    {
        var (columns, values) = (_rows.Columns(row), _rows.Values(row));
        Span<float> found = stackalloc float[MostVectors * Vector<float>.Count];
        for (var first = 0; first < _clusters; first += found.Length)
        {
            Products(columns, values, first, found);
            found[..Math.Min(found.Length, _clusters - first)].CopyTo(products[first..]);
        }
    }

    // with so many sums as four vectors hold, which stay in registers
    private void Products(int[] columns, float[] values, int first, Span<float> products)
    {
        var (size, left) = (Vector<float>.Count, (_stride - first) / Vector<float>.Count);
        var (a, b, c, d) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        ref var sums = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_sums), first);
        for (var i = 0; i < columns.Length; i++)
        {
            ref var at = ref Unsafe.Add(ref sums, (nint)(columns[i] * (long)_stride));
            var value = new Vector<float>(values[i]);
            a = (Vector.LoadUnsafe(ref at) * value) + a;
            if (left > 1) b = (Vector.LoadUnsafe(ref Unsafe.Add(ref at, size)) * value) + b;
            if (left > 2) c = (Vector.LoadUnsafe(ref Unsafe.Add(ref at, 2 * size)) * value) + c;
            if (left > 3) d = (Vector.LoadUnsafe(ref Unsafe.Add(ref at, 3 * size)) * value) + d;
        }
        a.CopyTo(products);
        b.CopyTo(products[size..]);
        c.CopyTo(products[(2 * size)..]);
        d.CopyTo(products[(3 * size)..]);
    }
}
