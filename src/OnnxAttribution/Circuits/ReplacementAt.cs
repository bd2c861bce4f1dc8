using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Circuits;

/// <summary>Ablated values of one site at one position: a of the features that are not ablated to 0, and of the error.</summary>
/// <param name="features">Ascending.</param>
/// <param name="activations">a_i of each.</param>
/// <param name="error">a_ε, [d].</param>
internal sealed class ReplacementAt(int[] features, float[] activations, ReadOnlyMemory<float> error)
{
    private const int Block = 1024;

    private float[]? _sum;

    /// <summary>Features that have a value other than 0, ascending.</summary>
    public IReadOnlyList<int> Features => features;

    /// <summary>a_ε, [d].</summary>
    public ReadOnlySpan<float> Error => error.Span;

    /// <summary>a_i of a feature; 0 of one that has none.</summary>
    public float Activation(int feature)
    {
        var i = Array.BinarySearch(features, feature);
        return i < 0 ? 0 : activations[i];
    }

    /// <summary>Σ a_i W_dec[i], [d], made once: means over a text have nearly all features in them.</summary>
    public float[] Sum(SparseDictionary dictionary, int threads)
    {
        if (_sum is not null) return _sum;
        var sum = new float[dictionary.Width];
        for (var first = 0; first < features.Length; first += Block)
        {
            var some = features[first..Math.Min(features.Length, first + Block)];
            var rows = dictionary.DecoderRows(some, threads);
            for (var i = 0; i < some.Length; i++) TensorPrimitives.MultiplyAdd(rows[some[i]], activations[first + i], sum, sum);
        }
        return _sum = sum;
    }
}
