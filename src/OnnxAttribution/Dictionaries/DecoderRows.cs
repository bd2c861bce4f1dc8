namespace OnnxAttribution.Dictionaries;

/// <summary>The decoder rows that one run needs, [features, d], in one piece.</summary>
/// <param name="features">Ascending.</param>
internal sealed class DecoderRows(int[] features, int width)
{
    private readonly float[] _rows = GC.AllocateUninitializedArray<float>(checked(features.Length * width));

    public bool Has(int feature) => Array.BinarySearch(features, feature) >= 0;

    /// <summary>float32 [d], as it lies in the dictionary.</summary>
    public ReadOnlySpan<float> this[int feature] => At(Array.BinarySearch(features, feature));

    /// <summary>[features, d].</summary>
    public Memory<float> All => _rows;

    /// <summary>The row of the i-th feature, to be filled.</summary>
    public Span<float> At(int i) => _rows.AsSpan(i * width, width);
}
