namespace OnnxAttribution.Dictionaries;

/// <summary>Decoder rows or encoder columns of the features that one run needs, [features, d], in one piece.</summary>
/// <param name="features">Ascending.</param>
internal sealed class FeatureVectors(int[] features, int width)
{
    private readonly float[] _vectors = GC.AllocateUninitializedArray<float>(checked(features.Length * width));

    public bool Has(int feature) => Array.BinarySearch(features, feature) >= 0;

    /// <summary>float32 [d].</summary>
    public ReadOnlySpan<float> this[int feature] => At(Array.BinarySearch(features, feature));

    /// <summary>[features, d].</summary>
    public Memory<float> All => _vectors;

    /// <summary>The vector of the i-th feature, to be filled.</summary>
    public Span<float> At(int i) => _vectors.AsSpan(i * width, width);
}
