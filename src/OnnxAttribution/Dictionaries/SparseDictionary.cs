using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Dictionaries;

/// <summary>
/// A sparse autoencoder at a site, whatever its kind: <c>pre = s ∘ ((norm(x) − b_pre) W_enc) + b</c>, <c>f = φ(pre)</c>,
/// <c>x̂ = (f (r ∘ W_dec) + b_dec) · scale + mean</c>. φ is pre where pre is above 0, above its feature's threshold where there are
/// thresholds (JumpReLU, gated), and among the k largest where there is a k (TopK); so φ' = 1 where a feature is active.
/// </summary>
/// <remarks>
/// Weights lie in the mapped file where they are float32. s, r and the thresholds are there only where they are not trivial
/// (<see cref="DictionaryParameters"/>); what the input is normalised by is <see cref="SiteNormalization"/>'s. Decoder rows are those of r
/// ∘ W_dec, encoder columns those of s ∘ W_enc: who uses these need not know the kind.
/// </remarks>
internal sealed class SparseDictionary : IDisposable
{
    /// <summary>Bytes of W_enc: 37 such encoders are 9 GiB.</summary>
    private const long LargeEncoder = 256L << 20;

    private readonly SaeLensDictionary _source;
    private readonly DictionaryParameters _parameters;
    private readonly SafeFileHandle? _file;
    private float[]? _columnLengths;
    private readonly float[]? _decoder;   // of another type than float32: converted once

    private readonly Memory<float>? _lent;   // W_dec where it lies

    /// <param name="lendsDecoder">For many prompts: decoder rows are not copied, so that in time all of W_dec is mapped.</param>
    public SparseDictionary(SaeLensDictionary source, bool lendsDecoder = false)
    {
        _source = source;
        _parameters = DictionaryParameters.Of(source);
        Normalization = new SiteNormalization(source.Normalization, source.Config.NormScalingFactor);
        EncoderWeights = Load("W_enc");
        if (source.DecoderWeights.Type == TensorType.F32) _file = RegularFile.OpenHandle(source.File.Path);
        else _decoder = source.File.ReadFloats("W_dec");
        if (lendsDecoder && _parameters.DecoderScale is null) _lent = _decoder ?? source.File.MapFloat32("W_dec");
        DecoderBias = Load("b_dec");
        if (source.SkipWeights is not null) SkipWeights = Load("W_skip");
        // below 0 there is no bound to be under
        if (source.Screen is { } screen && !KeepsSign) Screen = new EncoderScreen(screen, _parameters);
    }

    public string Name => _source.HookName;

    /// <summary>Its name on Neuronpedia, such as <c>gpt2-small/6-res-jb</c>, where its config says so.</summary>
    public string? NeuronpediaId => _source.NeuronpediaId;
    public int Width => _source.Width;
    public int FeatureCount => _source.FeatureCount;

    /// <summary>Its kind, as SAELens names it.</summary>
    public string Architecture => _source.Architecture.Name();

    /// <summary>Number of features that TopK keeps; null for every other kind.</summary>
    public int? K => _source.Architecture == DictionaryArchitecture.TopK ? _source.K : null;
    public bool SubtractsDecoderBias => _source.ApplyDecoderBiasToInput;
    public SiteNormalization Normalization { get; }

    /// <summary>Its input was scaled in training, and nothing says by which number: it is read with 1.</summary>
    public bool LacksInputFactor => _source.Config is { Normalization: InputNormalization.ExpectedAverage, NormScalingFactor: null };

    /// <summary>Of TopK: the k largest keep their sign.</summary>
    public bool KeepsSign => _source.Config.KeepsSign;

    /// <summary>Which pre-activations are active features.</summary>
    public ActiveRule Rule => new(FeatureCount, K, Threshold, KeepsSign);

    /// <summary>Width of one site that it writes: that of the site that it reads, unless it is a transcoder.</summary>
    public int OutputWidth => _source.Config.OutputWidth;

    /// <summary>How many sites it writes; above 1 of a cross-layer transcoder.</summary>
    public int OutputLayers => _source.Config.OutputLayers;

    /// <summary>W_skip [d_out, d_in], by which a transcoder's input is multiplied and added to what it decodes; null: there is no skip.
    /// </summary>
    public Memory<float>? SkipWeights { get; }

    /// <summary>What the skip gives inputs: x W_skipᵀ, [rows, d_out].</summary>
    /// <param name="x">[rows, d_in].</param>
    public float[] Skip(float[] x, int threads)
    {
        int d = Width, n = OutputWidth, rows = x.Length / Width;
        var y = new float[rows * n];
        Parallel.For(0, n, new ParallelOptions { MaxDegreeOfParallelism = threads }, j =>
        {
            var row = SkipWeights!.Value.Span.Slice(j * d, d);
            for (var t = 0; t < rows; t++) y[(t * n) + j] = TensorPrimitives.Dot(row, x.AsSpan(t * d, d));
        });
        return y;
    }

    /// <summary>Where W_skip lies.</summary>
    public TensorEntry? SkipWeightsEntry => _source.SkipWeights;

    /// <summary>W_enc [d, n] and b_dec [d], as SAELens stores them.</summary>
    public Memory<float> EncoderWeights { get; }
    public Memory<float> DecoderBias { get; }

    /// <summary>b [n].</summary>
    public Memory<float> EncoderBias => _parameters.Bias;

    /// <summary>s [n], what products with W_enc are multiplied by; null: 1.</summary>
    public float[]? EncoderScale => _parameters.Scale;

    /// <summary>[n], at least 0: a feature is active above its own; null: 0.</summary>
    public float[]? Threshold => _parameters.Threshold;

    /// <summary>Where W_enc and b lie, for a graph that holds them as constants; b's is null where it was computed.</summary>
    public string Directory => _source.Directory;
    public TensorEntry EncoderWeightsEntry => _source.EncoderWeights;
    public TensorEntry? EncoderBiasEntry => _parameters.BiasEntry;

    /// <summary>Decoder rows of chosen features, ascending, [features, d_out] or of a cross-layer transcoder [features, layers · d_out]:
    /// read one by one, since mapping the file would bring in a whole stretch around each; for many prompts where they lie.</summary>
    public FeatureVectors DecoderRows(int[] features, int threads)
    {
        var width = OutputWidth * OutputLayers;
        if (_lent is { } lent) return FeatureVectors.Lent(lent, width);
        var rows = new FeatureVectors(features, width);
        Parallel.For(0, features.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
        {
            if (_decoder is { } all) all.AsSpan(features[i] * width, width).CopyTo(rows.At(i));
            else ReadRow(features[i], rows.At(i));
            if (_parameters.DecoderScale is { } r) TensorPrimitives.Multiply(rows.At(i), r[features[i]], rows.At(i));
        });
        return rows;
    }

    /// <summary>Encoder columns of chosen features, [features, d].</summary>
    public FeatureVectors EncoderColumns(int[] features, int threads)
    {
        const int block = 8;
        int d = Width, n = FeatureCount;
        if (LendsColumns) return FeatureVectors.Lent(Screen!.Rows, d);
        var columns = new FeatureVectors(features, d);
        if (Screen is { } screen)
        {
            Parallel.For(0, features.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
            {
                TensorPrimitives.Multiply(screen.Rows.Span.Slice(features[i] * d, d), EncoderScale![features[i]], columns.At(i));
            });
            return columns;
        }
        // W_enc is [d, n]: 8 rows at a time, so that each feature's 8 numbers are written next to each other. 1,000 of
        // 24,576 columns touch most of the file's cache lines: this runs at the memory's speed (measured: 131 ms for 37
        // sites, summing all of W_enc 104; 16 rows 142, 64 rows 158)
        Parallel.For(0, (d + block - 1) / block, new ParallelOptions { MaxDegreeOfParallelism = threads }, b =>
        {
            var w = EncoderWeights.Span;
            int from = b * block, to = Math.Min(d, from + block);
            for (var i = 0; i < features.Length; i++)
            {
                var at = features[i];
                var target = columns.At(i)[from..to];
                for (var k = 0; k < target.Length; k++) target[k] = w[((from + k) * n) + at];
                if (EncoderScale is { } s) TensorPrimitives.Multiply(target, s[at], target);
            }
        });
        return columns;
    }

    /// <summary>Encoder columns lie in rows beside it, so that none is copied.</summary>
    public bool LendsColumns => Screen is not null && EncoderScale is null;

    /// <summary>Whether decoder rows are read where they lie, and no copies of them are made.</summary>
    public bool LendsDecoder => _lent is not null;

    /// <summary>What finds its active features without reading W_enc; null: nothing does.</summary>
    public EncoderScreen? Screen { get; }

    /// <summary>‖column‖ of every feature's <see cref="EncoderColumns"/>, [n]; found once.</summary>
    /// <remarks>Reads all of W_enc, at the memory's speed.</remarks>
    public float[] ColumnLengths(int threads)
    {
        if (_columnLengths is not null) return _columnLengths;
        const int most = 4096;
        int d = Width, n = FeatureCount;
        var squares = new float[n];
        Parallel.For(0, (n + most - 1) / most, new ParallelOptions { MaxDegreeOfParallelism = threads }, b =>
        {
            var (from, count) = (b * most, Math.Min(most, n - (b * most)));
            var sum = squares.AsSpan(from, count);
            for (var k = 0; k < d; k++)
            {
                var row = EncoderWeights.Span.Slice((k * n) + from, count);
                TensorPrimitives.MultiplyAdd(row, row, sum, sum);
            }
            TensorPrimitives.Sqrt(sum, sum);
            for (var j = 0; j < count && EncoderScale is not null; j++) sum[j] *= Math.Abs(EncoderScale[from + j]);
        });
        return _columnLengths = squares;
    }

    /// <summary>What W_enc is multiplied by: an input normalised and, where the dictionary does so, less b_dec.</summary>
    /// <param name="x">[d].</param>
    /// <param name="to">[d].</param>
    public void CentredInput(ReadOnlySpan<float> x, Span<float> to)
    {
        if (Normalization.Changes) Normalization.Apply(x, Width).CopyTo(to);
        else x.CopyTo(to);
        if (SubtractsDecoderBias) TensorPrimitives.Subtract(to, DecoderBias.Span, to);
    }

    /// <summary>Its W_enc does not stay mapped.</summary>
    public bool HasLargeEncoder => EncoderWeightsEntry.Type == TensorType.F32 && EncoderWeightsEntry.Length >= LargeEncoder;

    /// <summary>W_enc will not be read soon: what was mapped of it no longer counts as this process's memory.
    /// The page cache keeps it while there is room.</summary>
    /// <remarks>Of a dictionary that is small against any memory the pages stay mapped,
    /// since mapping them again costs more than it frees.</remarks>
    public void ReleaseEncoder()
    {
        if (!HasLargeEncoder) return;
        _source.File.LetGo(EncoderWeightsEntry);
        _source.Screen?.Release();
    }

    public void Dispose()
    {
        _file?.Dispose();
        _source.Dispose();
    }

    private void ReadRow(int feature, Span<float> row)
    {
        var bytes = MemoryMarshal.AsBytes(row);
        var at = _source.DecoderWeights.Offset + ((long)feature * bytes.Length);
        for (var done = 0; done < bytes.Length;)
        {
            var n = RandomAccess.Read(_file!, bytes[done..], at + done);
            if (n == 0) throw new CheckpointException(_source.File.Path, "ends before its tensors do: it was changed while it was read.");
            done += n;
        }
    }

    private Memory<float> Load(string name) =>
        _source.File.Tensors[name].Type == TensorType.F32 ? _source.File.MapFloat32(name) : _source.File.ReadFloats(name);
}
