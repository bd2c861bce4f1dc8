namespace OnnxAttribution.Dictionaries;

/// <summary>The encoder columns that one site needs, [features, d], in one piece.</summary>
/// <param name="features">Ascending.</param>
/// <param name="columns">As <see cref="SparseDictionary.EncoderColumns"/> reads them.</param>
internal sealed class EncoderColumns(int[] features, float[] columns, int width)
{
    /// <summary>float32 [d].</summary>
    public ReadOnlySpan<float> this[int feature] => columns.AsSpan(Array.BinarySearch(features, feature) * width, width);
}
