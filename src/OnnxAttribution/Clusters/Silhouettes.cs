namespace OnnxAttribution.Clusters;

/// <summary>Silhouettes by cosine distance 1 − x·y: (b − a) / max(a, b), with a the mean distance to the own cluster's other vectors and b
/// that to the nearest other cluster's; 0 of a vector that is alone.</summary>
/// <remarks>Rousseeuw 1987. The mean distance to a cluster is 1 − x·Σy / n, so that the sums suffice: n·k products, exact, and no
/// distance between two vectors.</remarks>
internal static class Silhouettes
{
    /// <param name="sums">Of all vectors' clusters; none is empty, and there are two at least.</param>
    /// <param name="labels">Each vector's cluster, from 0.</param>
    /// <returns>Of each vector its silhouette, from −1 to 1, its cosine with its cluster's sum, and the nearest other cluster.</returns>
    public static (double[] Silhouette, double[] Similarity, int[] Nearest) Of(IClusterSums sums, IReadOnlyList<int> labels, int threads)
    {
        var (count, clusters) = (labels.Count, sums.Counts.Length);
        var result = (new double[count], new double[count], new int[count]);
        var (lengths, options) = (sums.Lengths(), new ParallelOptions { MaxDegreeOfParallelism = threads });
        Parallel.For(0, count, options, () => new float[clusters], (row, _, products) =>
        {
            sums.Products(row, products);
            var (own, nearest, b) = (labels[row], -1, double.PositiveInfinity);
            for (var c = 0; c < clusters; c++)
            {
                if (c != own && 1 - ((double)products[c] / sums.Counts[c]) is var mean && mean < b) (nearest, b) = (c, mean);
            }
            var others = sums.Counts[own] - 1;
            var a = others == 0 ? 0 : 1 - ((products[own] - 1.0) / others);
            var largest = Math.Max(Math.Max(a, b), 0);
            result.Item1[row] = others == 0 || largest == 0 || clusters < 2 ? 0 : (b - a) / largest;
            result.Item2[row] = lengths[own] > 0 ? products[own] / lengths[own] : 0;
            result.Item3[row] = nearest;
            return products;
        }, _ => { });
        return result;
    }
}
