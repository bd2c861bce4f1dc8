using System.Numerics.Tensors;

namespace OnnxAttribution.Dictionaries;

/// <summary>One site in one run, expanded: active features per position and what they miss.</summary>
internal sealed class SparseEncoding
{
    private readonly Lock _reading = new();
    private readonly Func<int[], FeatureVectors>? _read;
    private volatile FeatureVectors? _decoder;

    private SparseEncoding(int positions, int width, Func<int[], FeatureVectors>? decoder = null)
    {
        _read = decoder;
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

    /// <summary>Decoder rows of all active features; read anew where they were released.</summary>
    public FeatureVectors Decoder
    {
        get
        {
            if (_decoder is { } read) return read;
            lock (_reading) return _decoder ??= _read?.Invoke(Distinct()) ?? new FeatureVectors([], 0);
        }
    }

    /// <summary>Decoder rows do not stay: who has worked through the site releases them, so that those of all sites of a long prompt,
    /// which are nearly all rows of their dictionaries, never lie in memory together.</summary>
    public bool StreamsDecoder { get; set; }

    /// <summary>Lets decoder rows go, where they do not stay.</summary>
    public void ReleaseDecoder()
    {
        if (StreamsDecoder) _decoder = null;
    }

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
    public static SparseEncoding From(SparseDictionary dictionary, float[] x, SparseRows active, int threads) =>
        From(dictionary, x, (active, 0), dictionary.DecoderRows(active.DistinctFeatures(), threads), threads);

    /// <param name="x">[T, d].</param>
    /// <param name="active">Rows of one prompt or more, and which of them is the first position's.</param>
    /// <param name="decoder">Of all features that are active in some row.</param>
    public static SparseEncoding From(SparseDictionary dictionary, float[] x, (SparseRows Rows, int First) active, FeatureVectors decoder,
        int threads)
    {
        var result = new SparseEncoding(x.Length / dictionary.Width, dictionary.Width, f => dictionary.DecoderRows(f, threads))
        {
            _decoder = decoder
        };
        Parallel.For(0, result.Positions, new ParallelOptions { MaxDegreeOfParallelism = threads },
            t => result.Fill(t, dictionary, x, active));
        return result;
    }

    /// <summary>Of a transcoder: active features, without what they miss, since several may write one site
    /// (<see cref="Subtract"/>).</summary>
    /// <param name="target">[T, d_out], what they are to give, the skip taken away.</param>
    /// <param name="active">A row per position.</param>
    /// <param name="zeroPositions">So many positions from the first have no features.</param>
    public static SparseEncoding OfTranscoder(SparseDictionary dictionary, float[] target, SparseRows active, int zeroPositions,
        int threads)
    {
        var result = new SparseEncoding(active.Rows, dictionary.OutputWidth, f => dictionary.DecoderRows(f, threads));
        Array.Fill(result.Features, []);
        Array.Fill(result.Activations, []);
        Array.Fill(result.Scales, 1);
        for (var t = zeroPositions; t < active.Rows; t++)
        {
            (result.Features[t], result.Activations[t]) = (active.Features(t).ToArray(), active.Activations(t).ToArray());
        }
        for (var t = 0; t < active.Rows; t++)
        {
            TensorPrimitives.Subtract(target.AsSpan(t * result.Width, result.Width), dictionary.DecoderBias.Span,
                result.Errors.AsSpan(t * result.Width, result.Width));
        }
        return result;
    }

    /// <summary>Takes what a transcoder's features write away from the error of a site that they write.</summary>
    /// <param name="layer">Which of the sites that it writes this is.</param>
    public void Subtract(SparseEncoding features, int layer)
    {
        for (var t = 0; t < Positions; t++)
        {
            var error = Errors.AsSpan(t * Width, Width);
            for (var i = 0; i < features.Features[t].Length; i++)
            {
                var row = features.Decoder[features.Features[t][i]].Slice(layer * Width, Width);
                TensorPrimitives.MultiplyAdd(row, -features.Activations[t][i], error, error);
            }
        }
    }

    private int[] Distinct() => [.. Features.SelectMany(f => f).Distinct().Order()];

    private void Fill(int t, SparseDictionary dictionary, float[] x, (SparseRows Rows, int First) active)
    {
        var row = x.AsSpan(t * Width, Width);
        var at = active.First + t;
        var (features, activations) = (active.Rows.Features(at).ToArray(), active.Rows.Activations(at).ToArray());
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
