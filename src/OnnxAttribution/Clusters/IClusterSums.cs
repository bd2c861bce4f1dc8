namespace OnnxAttribution.Clusters;

/// <summary>The sum of each cluster's vectors: all that cosines of vectors with clusters need.</summary>
internal interface IClusterSums
{
    /// <summary>Vectors of each cluster.</summary>
    int[] Counts { get; }

    /// <summary>The length of each cluster's sum, [clusters]: their total is what spherical k-means makes as large as it can.</summary>
    double[] Lengths();

    /// <summary>A vector's products with all sums.</summary>
    /// <param name="products">[clusters], overwritten.</param>
    void Products(int row, Span<float> products);

    /// <summary>Takes a vector out of one cluster and into another.</summary>
    void Move(int row, int from, int to);

    /// <summary>The sums of other labels; these are not to be used any more.</summary>
    /// <param name="from">The labels whose sums these are.</param>
    /// <param name="to">As many.</param>
    IClusterSums Relabelled(IReadOnlyList<int> from, IReadOnlyList<int> to);
}
