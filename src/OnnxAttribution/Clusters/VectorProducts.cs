namespace OnnxAttribution.Clusters;

/// <summary>
/// The products of every two vectors, by which clusters are tried again and again: a sum of long sparse vectors is spread over the whole
/// memory, and a vector waits for each of its columns there; a row of products is read at once.
/// 1. The vectors' columns are turned: the vectors of each column. 2. A vector's products with those before it are added up, column by
/// column.
/// </summary>
internal sealed class VectorProducts : IComparedVectors
{
    /// <summary>As many vectors as products are kept of: 400 MB.</summary>
    public const int Most = 10_000;

    private readonly float[][] _products;   // [n, n]

    /// <param name="vectors">No more than <see cref="Most"/>.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public VectorProducts(UnitVectors vectors, ParallelOptions threads)
    {
        var (columns, count) = (new Columns(vectors), vectors.Count);
        _products = [.. Enumerable.Range(0, count).Select(_ => new float[count])];
        // the last ones, which have the most before them, first
        Parallel.For(0, count, threads, () => new double[count], (behind, _, sums) =>
        {
            var row = count - 1 - behind;
            columns.AddProducts(vectors, row, sums);
            for (var other = 0; other <= row; other++) _products[row][other] = _products[other][row] = (float)sums[other];
            Array.Clear(sums, 0, row + 1);
            return sums;
        }, _ => { });
    }

    public int Count => _products.Length;

    /// <summary>Bytes that the products of so many vectors take.</summary>
    public static long Bytes(int vectors) => sizeof(float) * (long)vectors * vectors;

    /// <summary>A vector's products with all.</summary>
    public ReadOnlySpan<float> Of(int row) => _products[row];

    public long SumBytes(int clusters) => sizeof(double) * (long)Count * clusters;

    public IClusterSums Sums(IReadOnlyList<int> labels, int clusters, int threads) => new ProductSums(_products, labels, clusters);

    public void Cosines(int row, double[] cosines, ParallelOptions threads)
    {
        for (var other = 0; other < cosines.Length; other++) cosines[other] = _products[row][other];
    }

    /// <summary>The vectors of each column, in their order.</summary>
    private sealed class Columns
    {
        private readonly int[] _first;   // [width + 1]
        private readonly int[] _rows;
        private readonly float[] _values;

        public Columns(UnitVectors vectors)
        {
            (_first, _rows, _values) = (new int[vectors.Width + 1], new int[vectors.Entries], new float[vectors.Entries]);
            for (var row = 0; row < vectors.Count; row++)
            {
                foreach (var column in vectors.Columns(row)) _first[column + 1]++;
            }
            for (var column = 0; column < vectors.Width; column++) _first[column + 1] += _first[column];
            var next = _first.ToArray();
            for (var row = 0; row < vectors.Count; row++)
            {
                var (columns, values) = (vectors.Columns(row), vectors.Values(row));
                for (var i = 0; i < columns.Length; i++)
                {
                    var at = next[columns[i]]++;
                    (_rows[at], _values[at]) = (row, values[i]);
                }
            }
        }

        // with itself and those before it
        public void AddProducts(UnitVectors vectors, int row, double[] sums)
        {
            var (columns, values) = (vectors.Columns(row), vectors.Values(row));
            for (var i = 0; i < columns.Length; i++)
            {
                double value = values[i];
                var (at, end) = (_first[columns[i]], _first[columns[i] + 1]);
                for (; at < end && _rows[at] <= row; at++) sums[_rows[at]] += value * _values[at];
            }
        }
    }
}
