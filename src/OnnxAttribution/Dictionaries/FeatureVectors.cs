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
    public ReadOnlySpan<float> this[int feature] =>
        _vectors.Span.Slice((_features is null ? feature : Array.BinarySearch(_features, feature)) * _width, _width);

    /// <summary>How many numbers they are in memory; of lent ones none.</summary>
    public long Count => IsLent ? 0 : _vectors.Length;

    /// <summary>[features, d], in one piece: a copy unless these are all.</summary>
    /// <param name="features">Ascending.</param>
    public Memory<float> Of(int[] features)
    {
        if (_features is not null ? features.AsSpan().SequenceEqual(_features) : features.Length * (long)_width == _vectors.Length)
        {
            return _vectors;
        }
        var some = new float[checked(features.Length * _width)];
        for (var i = 0; i < features.Length; i++) this[features[i]].CopyTo(some.AsSpan(i * _width));
        return some;
    }

    /// <summary>The vector of the i-th feature, to be filled.</summary>
    /// <exception cref="InvalidOperationException">They are lent.</exception>
    public Span<float> At(int i) => IsLent ? throw new InvalidOperationException("what is lent is not written to")
        : _vectors.Span.Slice(i * _width, _width);
}
