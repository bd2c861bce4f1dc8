namespace OnnxAttribution.Clusters;

/// <summary>Vectors of unit length, as far as clusters look at them: by their products with each other and with clusters' sums.</summary>
internal interface IComparedVectors
{
    /// <summary>How many vectors there are.</summary>
    int Count { get; }

    /// <summary>Bytes that the sums of so many clusters take.</summary>
    long SumBytes(int clusters);

    /// <summary>The sum of each cluster's vectors.</summary>
    /// <param name="labels">Each vector's cluster, from 0; below 0: none.</param>
    /// <param name="threads">What comes of it does not depend on them.</param>
    IClusterSums Sums(IReadOnlyList<int> labels, int clusters, int threads);

    /// <summary>The cosines of all vectors with one.</summary>
    /// <param name="cosines">[<see cref="Count"/>], overwritten.</param>
    void Cosines(int row, double[] cosines, ParallelOptions threads);
}
