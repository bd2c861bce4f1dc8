namespace OnnxAttribution.Dictionaries;

/// <summary>Decoder rows or encoder columns of the features that one run needs, [features, d].</summary>
internal sealed class FeatureVectors
{
    private readonly int[]? _features;
    private readonly Memory<float> _vectors;
    private readonly int _width;

    private FeatureVectors(int[]? features, Memory<float> vectors, int width) => (_features, _vectors, _width) = (features, vectors, width);

    /// <summary>Of these features, in one piece, to be filled.</summary>
    /// <param name="features">Ascending.</param>
    public FeatureVectors(int[] features, int width)
        : this(features, GC.AllocateUninitializedArray<float>(checked(features.Length * width)), width)
    {
    }

    /// <summary>Of all features of a dictionary, where they lie.</summary>
    /// <param name="all">[n, d], which stays as long as this does.</param>
    public static FeatureVectors Lent(Memory<float> all, int width) => new(null, all, width);

    /// <summary>They lie in a file that is mapped: no memory is theirs.</summary>
    public bool IsLent => _features is null;

    public bool Has(int feature) => _features is null || Array.BinarySearch(_features, feature) >= 0;

    /// <summary>float32 [d].</summary>
    public ReadOnlySpan<float> this[int feature] => At(_features is null ? feature : Array.BinarySearch(_features, feature));

    /// <summary>[features, d].</summary>
    public Memory<float> All => _vectors;

    /// <summary>The vector of the i-th feature, to be filled.</summary>
    public Span<float> At(int i) => _vectors.Span.Slice(i * _width, _width);
}
