using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Clusters;

/// <summary>The sum of each cluster's vectors: all that cosines of vectors with clusters need.</summary>
internal sealed class ClusterSums
{
    private readonly UnitVectors _rows;
    private readonly float[] _sums;   // [width, clusters], so that a vector meets all clusters at once
    private readonly int _clusters;

    /// <param name="labels">Each vector's cluster, from 0; below 0: none.</param>
    /// <param name="threads">Each adds up clusters of its own, in the vectors' order.</param>
    public ClusterSums(UnitVectors rows, IReadOnlyList<int> labels, int clusters, int threads)
    {
        (_rows, _clusters, _sums, Counts) = (rows, clusters, new float[rows.Width * (long)clusters], new int[clusters]);
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            for (var row = 0; row < rows.Count; row++)
            {
                if (labels[row] is var label && (label < 0 || label % threads != thread)) continue;
                var (columns, values) = (rows.Columns(row), rows.Values(row));
                Counts[label]++;
                for (var i = 0; i < columns.Length; i++) _sums[(columns[i] * (long)clusters) + label] += values[i];
            }
        });
    }

    /// <summary>Bytes that the sums of so many clusters take.</summary>
    public static long Bytes(UnitVectors rows, int clusters) => sizeof(float) * (long)rows.Width * clusters;

    /// <summary>Vectors of each cluster.</summary>
    public int[] Counts { get; }

    /// <summary>The length of each cluster's sum, [clusters]: their total is what spherical k-means makes as large as it can.</summary>
    public double[] Lengths()
    {
        var squares = new double[_clusters];
        for (long at = 0; at < _sums.LongLength; at += _clusters)
        {
            for (var c = 0; c < _clusters; c++) squares[c] += (double)_sums[at + c] * _sums[at + c];
        }
        for (var c = 0; c < _clusters; c++) squares[c] = Math.Sqrt(squares[c]);
        return squares;
    }

    /// <summary>Takes a vector out of one cluster and into another.</summary>
    public void Move(int row, int from, int to)
    {
        var (columns, values) = (_rows.Columns(row), _rows.Values(row));
        for (var i = 0; i < columns.Length; i++)
        {
            var at = columns[i] * (long)_clusters;
            _sums[at + from] -= values[i];
            _sums[at + to] += values[i];
        }
        (Counts[from], Counts[to]) = (Counts[from] - 1, Counts[to] + 1);
    }

    /// <summary>A vector's products with all sums.</summary>
    /// <param name="products">[clusters], overwritten.</param>
    public void Products(int row, Span<float> products)
    {
        products.Clear();
        var (columns, values) = (_rows.Columns(row), _rows.Values(row));
        for (var i = 0; i < columns.Length; i++)
        {
            var sums = MemoryMarshal.CreateReadOnlySpan(ref _sums[columns[i] * (long)_clusters], _clusters);
            TensorPrimitives.MultiplyAdd(sums, values[i], products, products);
        }
    }
}
