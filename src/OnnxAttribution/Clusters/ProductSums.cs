using System.Numerics;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Clusters;

/// <summary>Clusters' sums by their products with every vector alone: a vector that moves adds its row of products to one cluster's and
/// takes it from another's, and no sum is made.</summary>
internal sealed class ProductSums : IClusterSums
{
    private readonly float[][] _rows;
    private readonly int[] _labels;
    private readonly double[][] _products;   // [clusters, n]: of float32 sums that many moves go through little would be left

    /// <param name="rows">[n, n], the products of every two vectors.</param>
    /// <param name="labels">Each vector's cluster, from 0; below 0: none.</param>
    public ProductSums(float[][] rows, IReadOnlyList<int> labels, int clusters)
    {
        (_rows, _labels, Counts) = (rows, [.. labels], new int[clusters]);
        _products = [.. Enumerable.Range(0, clusters).Select(_ => new double[rows.Length])];
        for (var row = 0; row < _labels.Length; row++)
        {
            if (_labels[row] is not (>= 0 and var label)) continue;
            Counts[label]++;
            Add(rows[row], _products[label], 1);
        }
    }

    public int[] Counts { get; }

    // |Σ x|² = Σ x·Σ x
    public double[] Lengths()
    {
        var squares = new double[Counts.Length];
        for (var row = 0; row < _labels.Length; row++)
        {
            if (_labels[row] is >= 0 and var label) squares[label] += _products[label][row];
        }
        return Array.ConvertAll(squares, square => Math.Sqrt(Math.Max(0, square)));
    }

    public void Products(int row, Span<float> products)
    {
        for (var cluster = 0; cluster < _products.Length; cluster++) products[cluster] = (float)_products[cluster][row];
    }

    public void Move(int row, int from, int to)
    {
        var moved = _rows[row];
        Add(moved, _products[from], -1);
        Add(moved, _products[to], 1);
        (Counts[from], Counts[to], _labels[row]) = (Counts[from] - 1, Counts[to] + 1, to);
    }

    public IClusterSums Relabelled(IReadOnlyList<int> from, IReadOnlyList<int> to)
    {
        for (var row = 0; row < _labels.Length; row++)
        {
            if (from[row] != to[row]) Move(row, from[row], to[row]);
        }
        return this;
    }

    private static void Add(ReadOnlySpan<float> row, double[] sums, double sign)
    {
        var some = MemoryMarshal.Cast<float, Vector<float>>(row);
        var into = MemoryMarshal.Cast<double, Vector<double>>(sums.AsSpan());
        for (var i = 0; i < some.Length; i++)
        {
            Vector.Widen(some[i], out var low, out var high);
            into[2 * i] += low * sign;
            into[(2 * i) + 1] += high * sign;
        }
        for (var i = some.Length * Vector<float>.Count; i < row.Length; i++) sums[i] += row[i] * sign;
    }
}
