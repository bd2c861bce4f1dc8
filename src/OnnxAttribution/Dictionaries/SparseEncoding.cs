using System.Numerics.Tensors;

namespace OnnxAttribution.Dictionaries;

/// <summary>One site in one run, expanded: active features per position and what they miss.</summary>
internal sealed class SparseEncoding
{
    private SparseEncoding(int positions, int width)
    {
        Positions = positions;
        Width = width;
        Features = new int[positions][];
        Activations = new float[positions][];
        Errors = new float[positions * width];
        Scales = new float[positions];
    }

    public int Positions { get; }
    public int Width { get; }

    /// <summary>Per position, ascending.</summary>
    public int[][] Features { get; }
    public float[][] Activations { get; }

    /// <summary>ε = x − x̂, [T, d]; the whole activation where the site has no dictionary.</summary>
    public float[] Errors { get; }

    /// <summary>What decoder rows are multiplied by at each position:
    /// 1, or what the dictionary's normalisation gives back (<see cref="SiteNormalization"/>).</summary>
    public float[] Scales { get; }

    /// <summary>Decoder rows of all active features.</summary>
    public FeatureVectors Decoder { get; private init; } = new([], 0);

    public ReadOnlySpan<float> Error(int position) => Errors.AsSpan(position * Width, Width);

    public float ActivationOf(int position, int feature)
    {
        var i = Array.BinarySearch(Features[position], feature);
        return i < 0 ? 0 : Activations[position][i];
    }

    /// <summary>A site without a dictionary: no features, the error is everything.</summary>
    public static SparseEncoding WithoutDictionary(ReadOnlySpan<float> x, int positions)
    {
        var result = new SparseEncoding(positions, x.Length / positions);
        Array.Fill(result.Features, []);
        Array.Fill(result.Activations, []);
        Array.Fill(result.Scales, 1);
        x.CopyTo(result.Errors);
        return result;
    }

    /// <param name="x">[T, d].</param>
    /// <param name="active">A row per position.</param>
    public static SparseEncoding From(SparseDictionary dictionary, float[] x, SparseRows active, int threads)
    {
        var result = new SparseEncoding(active.Rows, dictionary.Width)
        {
            Decoder = dictionary.DecoderRows(active.DistinctFeatures(), threads),
        };
        Parallel.For(0, active.Rows, new ParallelOptions { MaxDegreeOfParallelism = threads }, t => result.Fill(t, dictionary, x, active));
        return result;
    }

    private void Fill(int t, SparseDictionary dictionary, float[] x, SparseRows active)
    {
        var row = x.AsSpan(t * Width, Width);
        var (features, activations) = (active.Features(t).ToArray(), active.Activations(t).ToArray());
        (Features[t], Activations[t]) = (features, activations);
        var (mean, scale) = dictionary.Normalization.Statistics(row);
        Scales[t] = scale;
        Span<float> reconstruction = new float[Width];
        dictionary.DecoderBias.Span.CopyTo(reconstruction);
        for (var i = 0; i < features.Length; i++)
        {
            TensorPrimitives.MultiplyAdd(Decoder[features[i]], activations[i], reconstruction, reconstruction);
        }
        TensorPrimitives.Multiply(reconstruction, scale, reconstruction);
        TensorPrimitives.Add(reconstruction, mean, reconstruction);
        TensorPrimitives.Subtract(row, reconstruction, Errors.AsSpan(t * Width, Width));
    }
}
