using System.Numerics;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dictionaries;

/// <summary>Runs dictionaries' encoders.</summary>
/// <remarks>
/// One graph per kind of dictionary; the weights are its inputs,
/// so that they are neither copied nor laid out anew and any number of dictionaries share it. With
/// <paramref name="packed"/> a graph per dictionary has them as constants, which the runtime lays out for its products: 2 to 3 times faster
/// per prompt, at the price of a copy of W_enc and about a quarter of a second each, so it pays from some fifty prompts on. The copies stop
/// at <see cref="MostPackedBytes"/>; what comes after is read where it lies.
/// </remarks>
/// <param name="findOnHost">Where active features are looked for; null:
/// on the host where the graph runs there, else on the device, so that only they come back.</param>
internal sealed class DictionaryEncoder(RunContext context, bool packed, bool? findOnHost = null) : IDisposable
{
    private const long MostPackedBytes = 2L << 30;

    /// <summary>Activations of one call: 256 MiB of them, active or not.</summary>
    private const long MostActivations = 1L << 26;

    private readonly Dictionary<(int? K, bool SubtractsBias, bool Scales, bool HasThreshold, string? Packed), GraphRunner> _runners = [];
    private readonly HashSet<string> _packed = [];
    private long _packedBytes;

    /// <summary>One site expanded: active features, what they leave, decoder rows.</summary>
    /// <param name="dictionary">null: the site has none, and all of it is error.</param>
    /// <param name="x">[T, d].</param>
    public SparseEncoding Encode(SparseDictionary? dictionary, float[] x, int positions) =>
        dictionary is null
            ? SparseEncoding.WithoutDictionary(x, positions)
            : SparseEncoding.From(dictionary, x, positions, Active(dictionary, x, positions), context.Threads);

    /// <summary>Active features only, positions ascending: a runtime call per <see cref="MostActivations"/> numbers,
    /// and only the active ones come back.</summary>
    /// <param name="x">[T, d]; the positions may be of any number of prompts.</param>
    public IReadOnlyList<(int Position, int Feature, float Activation)> Active(SparseDictionary dictionary, float[] x, int positions)
    {
        var most = (int)Math.Clamp(MostActivations / dictionary.FeatureCount, 1, int.MaxValue);
        if (positions <= most) return Run(dictionary, x, positions);
        var all = new List<(int, int, float)>();
        for (var first = 0; first < positions; first += most)
        {
            var count = Math.Min(most, positions - first);
            foreach (var (t, f, a) in Run(dictionary, x.AsMemory(first * dictionary.Width, count * dictionary.Width), count))
            {
                all.Add((first + t, f, a));
            }
        }
        return all;
    }

    private List<(int, int, float)> Run(SparseDictionary dictionary, Memory<float> x, int positions)
    {
        var key = (dictionary.K, dictionary.SubtractsDecoderBias, dictionary.EncoderScale is not null, dictionary.Threshold is not null,
            Packs(dictionary) ? dictionary.Directory : null);
        var onHost = findOnHost ?? context.Device == DeviceKind.Cpu;
        if (!_runners.TryGetValue(key, out var runner))
        {
            _runners[key] = runner = new GraphRunner(Graph(dictionary, key.Item5 is not null, onHost), context, key.Item5);
        }
        using var feed = Inputs(dictionary, x, positions);
        using var result = runner.Run(feed.Values, runner.Outputs);
        return dictionary.K is { } k ? FromTopK(result, k)
            : onHost ? FromDense(result.Floats("values"), dictionary.FeatureCount, dictionary.Threshold)
            : FromFound(result);
    }

    /// <summary>What an encoder's graph reads: rows, normalised where the dictionary does so, and weights where they lie.</summary>
    internal static Feed Inputs(SparseDictionary dictionary, Memory<float> x, int rows)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        var feed = new Feed()
            .Add("x", dictionary.Normalization.Changes ? dictionary.Normalization.Apply(x.Span, d) : x, rows, d)
            .Add("W_enc", dictionary.EncoderWeights, d, n)
            .Add("b_enc", dictionary.EncoderBias, n).Add("b_dec", dictionary.DecoderBias, d);
        if (dictionary.EncoderScale is { } scale) feed.Add("scale", scale, n);
        if (dictionary.Threshold is { } threshold) feed.Add("threshold", threshold, n);
        return feed;
    }

    /// <summary>Pre-activations [rows, n] as the only output, <c>values</c>, whatever φ is; the weights are inputs.</summary>
    internal static OnnxGraph DenseGraph(SparseDictionary dictionary) => Graph(dictionary, packed: false, onHost: true, dense: true);

    private bool Packs(SparseDictionary dictionary)
    {
        // on a device, weights that are constants stay there; as inputs they would be sent for every prompt
        var onDevice = context.Device != DeviceKind.Cpu;
        if (!(packed || onDevice) || dictionary.EncoderWeightsEntry.Type != TensorType.F32) return false;
        if (onDevice || _packed.Contains(dictionary.Directory)) return true;
        if (_packedBytes + dictionary.EncoderWeightsEntry.Length > MostPackedBytes) return false;
        _packedBytes += dictionary.EncoderWeightsEntry.Length;
        return _packed.Add(dictionary.Directory);
    }

    /// <summary>Floating-point operations of one encoder: 2 T d n.</summary>
    public static long Operations(SparseDictionary dictionary, int positions) =>
        2L * positions * dictionary.Width * dictionary.FeatureCount;

    public void Dispose()
    {
        foreach (var runner in _runners.Values) runner.Dispose();
    }

    private static List<(int, int, float)> FromTopK(RunResult result, int k)
    {
        var values = result.Floats("values");      // [T, k]
        var indices = result.Integers("indices");
        var active = new List<(int, int, float)>(values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] > 0) active.Add((i / k, (int)indices[i], values[i]));
        }
        return active;
    }

    private static List<(int, int, float)> FromFound(RunResult result)
    {
        var values = result.Floats("values");      // [K]
        var indices = result.Integers("indices");  // [2, K]
        var active = new List<(int, int, float)>(values.Length);
        for (var i = 0; i < values.Length; i++) active.Add(((int)indices[i], (int)indices[values.Length + i], values[i]));
        return active;
    }

    // nearly all entries are negative: whole vectors are passed over at once
    private static List<(int, int, float)> FromDense(ReadOnlySpan<float> values, int n, float[]? threshold)
    {
        // values: [T, n], before φ; without thresholds the rows need not be told apart
        var active = new List<(int, int, float)>();
        var width = Vector<float>.Count;
        var row = threshold is null ? values.Length : n;
        for (var start = 0; start < values.Length; start += row)
        {
            var j = 0;
            for (; j <= row - width; j += width)
            {
                var least = threshold is null ? Vector<float>.Zero : new Vector<float>(threshold, j);
                if (!Vector.GreaterThanAny(new Vector<float>(values.Slice(start + j, width)), least)) continue;
                for (var k = j; k < j + width; k++) Take(values, start + k, threshold?[k] ?? 0);
            }
            for (; j < row; j++) Take(values, start + j, threshold?[j] ?? 0);
        }
        return active;

        void Take(ReadOnlySpan<float> from, int at, float least)
        {
            if (from[at] > least) active.Add((at / n, at % n, from[at]));
        }
    }

    /// <param name="onHost">The host looks for the active ones itself;
    /// else the graph does, so that the dense activations need not leave the device.</param>
    /// <param name="dense">Leave TopK to the host too.</param>
    private static OnnxGraph Graph(SparseDictionary dictionary, bool packed, bool onHost, bool dense = false)
    {
        var g = new GraphBuilder("sae/");
        Dim t = Dim.Named("position"), d = Dim.Of(dictionary.Width), n = Dim.Of(dictionary.FeatureCount);
        if (!packed) (d, n) = (Dim.Named("d"), Dim.Named("n"));
        Value Weight(string name, TensorEntry? entry, params Dim[] shape) => packed && entry is not null
            ? g.Constant(name,
                Constants.External(DataType.Float, entry.Shape.AsSpan(), SaeLensDictionary.WeightsFileName, entry.Offset, entry.Length))
            : g.Input(name, DataType.Float, shape);
        var x = g.Input("x", DataType.Float, t, d);
        var wEnc = Weight("W_enc", dictionary.EncoderWeightsEntry, d, n);
        var bEnc = Weight("b_enc", dictionary.EncoderBiasEntry, n);
        var bDec = g.Input("b_dec", DataType.Float, d);
        Value[] inputs = [x, bDec, .. new[] { wEnc, bEnc }.Where(v => v.IsInput)];
        Value PerFeature(string name)
        {
            var vector = g.Input(name, DataType.Float, n);
            inputs = [.. inputs, vector];
            return vector;
        }
        var centred = dictionary.SubtractsDecoderBias ? g.Sub(x, bDec) : x;
        var pre = dictionary.EncoderScale is null
            ? g.Emit("Gemm", [centred, wEnc, bEnc])
            : g.Add(g.Mul(g.Emit("Gemm", [centred, wEnc]), PerFeature("scale")), bEnc);   // [T, n]
        if (dense || (dictionary.K is null && onHost)) return new OnnxGraph(inputs, [g.Identity(pre, "values")]);
        Value values, indices;
        if (dictionary.K is { } k)
        {
            var top = g.Emit("TopK", [pre, g.Ints(k)], 2, ("axis", -1L), ("sorted", 0L));    // [T, k]
            (values, indices) = (g.Relu(top[0]), top[1]);
        }
        else
        {
            var f = dictionary.Threshold is null ? g.Relu(pre) : g.Where(g.Greater(pre, PerFeature("threshold")), pre, g.Scalar(0));
            indices = g.Emit("NonZero", [f]);                                                // [2, K]
            values = g.Emit("GatherND", [f, g.Transpose(indices, 1, 0)]);                    // [K]
        }
        return new OnnxGraph(inputs, [g.Identity(values, "values"), g.Identity(indices, "indices")]);
    }
}
