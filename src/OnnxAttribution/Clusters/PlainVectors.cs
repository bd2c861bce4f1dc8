namespace OnnxAttribution.Clusters;

/// <summary>Vectors as they are, of which there may be any number.</summary>
internal sealed class PlainVectors(UnitVectors vectors) : IComparedVectors
{
    public int Count => vectors.Count;

    public long SumBytes(int clusters) => ClusterSums.Bytes(vectors, clusters);

    public IClusterSums Sums(IReadOnlyList<int> labels, int clusters, int threads) => new ClusterSums(vectors, labels, clusters, threads);

    public void Cosines(int row, double[] cosines, ParallelOptions threads)
    {
        var dense = new float[vectors.Width];
        vectors.Scatter(row, dense);
        Parallel.For(0, Count, threads, other => cosines[other] = vectors.Dot(other, dense));
    }
}
