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
    public DecoderRows Decoder { get; private set; } = new([], 0);

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

    /// <param name="active">Position, feature and activation of every active feature, in any order.</param>
    public static SparseEncoding From(SparseDictionary dictionary, float[] x, int positions,
        IEnumerable<(int Position, int Feature, float Activation)> active, int threads)
    {
        var d = dictionary.Width;
        var result = new SparseEncoding(positions, d);
        var byPosition = active.ToLookup(a => a.Position);
        result.Decoder = dictionary.DecoderRows([.. byPosition.SelectMany(g => g).Select(a => a.Feature).Distinct().Order()], threads);
        Parallel.For(0, positions, new ParallelOptions { MaxDegreeOfParallelism = threads }, t =>
        {
            var row = x.AsSpan(t * d, d);
            var found = byPosition[t].OrderBy(a => a.Feature).ToArray();
            result.Features[t] = [.. found.Select(a => a.Feature)];
            result.Activations[t] = [.. found.Select(a => a.Activation)];
            var (mean, scale) = dictionary.Normalization.Statistics(row);
            result.Scales[t] = scale;
            Span<float> reconstruction = new float[d];
            dictionary.DecoderBias.Span.CopyTo(reconstruction);
            foreach (var (_, feature, activation) in found)
            {
                TensorPrimitives.MultiplyAdd(result.Decoder[feature], activation, reconstruction, reconstruction);
            }
            var error = result.Errors.AsSpan(t * d, d);
            TensorPrimitives.Multiply(reconstruction, scale, reconstruction);
            TensorPrimitives.Add(reconstruction, mean, reconstruction);
            TensorPrimitives.Subtract(row, reconstruction, error);
        });
        return result;
    }
}
