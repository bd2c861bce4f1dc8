using System.Collections.Concurrent;
using System.Numerics.Tensors;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Dictionaries;

/// <summary>Runs dictionaries' encoders. Safe for use by several threads, each call on the caller's.
/// Owns its sessions; who makes one disposes it.</summary>
/// <remarks>
/// One graph per kind of dictionary (<see cref="EncoderGraph"/>); the weights are its inputs,
/// so that they are neither copied nor laid out anew and any number of dictionaries share it. With
/// <paramref name="packed"/> a graph per dictionary has them as constants, which the runtime lays out for its products: 2 to 3 times faster
/// per prompt, at the price of a copy of W_enc and about a quarter of a second each, so it pays from some fifty prompts on. The copies stop
/// at <see cref="MostPackedBytes"/>; what comes after is read where it lies. Over hundreds of rows laying weights out costs a few percent.
/// On the host a dictionary with an <see cref="EncoderScreen"/> is searched by it.
/// </remarks>
/// <param name="context">Its threads: what one call takes.</param>
/// <param name="findOnHost">Where active features are looked for; null:
/// on the host where the graph runs there, else on the device, so that only they come back.</param>
internal sealed class DictionaryEncoder(RunContext context, bool packed = false, bool? findOnHost = null) : IDisposable
{
    internal const long MostPackedBytes = 2L << 30;

    /// <summary>Activations of one call: 256 MiB of them, active or not.</summary>
    private const long MostActivations = 1L << 26;

    /// <summary>Rows of one product of a long text: enough for the runtime's speed,
    /// few enough for the dense result to stay in the cache.</summary>
    private const int RowsAtOnce = 256;

    private readonly bool _onHost = findOnHost ?? context.Device == DeviceKind.Cpu;
    private readonly ScreenedEncoder _screened = new(context, packed);
    private readonly Dictionary<EncoderGraph, GraphRunner> _runners = [];
    private readonly HashSet<string> _packed = [];
    private readonly ConcurrentBag<ActiveFinder> _finders = [];
    private long _packedBytes;

    /// <summary>Floating-point operations of one encoder: 2 T d n.</summary>
    public static long Operations(SparseDictionary dictionary, int positions) =>
        2L * positions * dictionary.Width * dictionary.FeatureCount;

    /// <summary>Bytes of dense activations that a call of <see cref="AddActive"/> holds.</summary>
    public static long BytesPerCall(SparseDictionary dictionary) => 2L * RowsAtOnce * sizeof(float) * dictionary.FeatureCount;

    /// <summary>One site expanded: active features, what they leave, decoder rows.</summary>
    /// <param name="dictionary">null: the site has none, and all of it is error.</param>
    /// <param name="x">[T, d].</param>
    /// <param name="pre">Filled with the dense pre-activations, [T, n], where features are looked for on the host; null: not asked
    /// for.</param>
    public SparseEncoding Encode(SparseDictionary? dictionary, float[] x, int positions, float[]? pre = null)
    {
        if (dictionary is null) return SparseEncoding.WithoutDictionary(x, positions);
        var found = new SparseRows();
        AddAll(dictionary, x, found, pre);
        return SparseEncoding.From(dictionary, x, found, context.Threads);
    }

    /// <summary>Adds the rows' active features to what <paramref name="to"/> holds: a runtime call per <see cref="MostActivations"/>
    /// numbers.</summary>
    /// <param name="x">[rows, d]; rows may be of any number of prompts.</param>
    /// <param name="pre">As for <see cref="Encode"/>, [rows, n].</param>
    public void AddAll(SparseDictionary dictionary, float[] x, SparseRows to, float[]? pre = null) =>
        Add(dictionary, x, MostRows(dictionary), to, pre);

    /// <summary>Whether pre-activations can be had with an encoding.</summary>
    public bool SeesPreActivations => _onHost;

    /// <summary>Active features only: a runtime call per <see cref="MostActivations"/> numbers.</summary>
    /// <param name="x">[rows, d]; rows may be of any number of prompts.</param>
    public SparseRows Active(SparseDictionary dictionary, Memory<float> x)
    {
        var found = new SparseRows();
        Add(dictionary, x, MostRows(dictionary), found);
        return found;
    }

    private static int MostRows(SparseDictionary dictionary) => (int)Math.Clamp(MostActivations / dictionary.FeatureCount, 1, int.MaxValue);

    /// <summary>Adds the rows' active features to what <paramref name="to"/> holds, in products of few rows.</summary>
    /// <param name="x">[rows, d].</param>
    public void AddActive(SparseDictionary dictionary, Memory<float> x, SparseRows to) => Add(dictionary, x, RowsAtOnce, to);

    /// <summary>Adds the active features among dense pre-activations.</summary>
    /// <param name="values">[rows, features].</param>
    public void Find(ReadOnlySpan<float> values, ActiveRule rule, SparseRows to)
    {
        if (!_finders.TryTake(out var finder)) finder = new ActiveFinder();
        finder.Add(values, rule, to);
        _finders.Add(finder);
    }

    /// <summary>Pre-activations <c>s ∘ (x W_enc) + b</c>, [rows, n], of rows that are normalised and centred already;
    /// the output is <see cref="EncoderGraph.Values"/>.</summary>
    /// <param name="x">[rows, d].</param>
    public RunResult PreActivations(SparseDictionary dictionary, float[] x)
    {
        var runner = Runner(dictionary, new EncoderGraph { Scales = dictionary.EncoderScale is not null });
        using var feed = Weights(dictionary).Add("x", x, x.Length / dictionary.Width, dictionary.Width);
        return runner.Run(feed.Values, runner.Outputs);
    }

    /// <summary>f W_dec + b_dec of dense activations.</summary>
    /// <param name="f">[rows, n].</param>
    /// <param name="decoder">[n, d].</param>
    /// <param name="to">[rows, d].</param>
    public void Decode(SparseDictionary dictionary, float[] f, Memory<float> decoder, float[] to)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        var runner = Runner(dictionary, new EncoderGraph());
        using var feed = new Feed().Add("x", f, f.Length / n, n).Add("W_enc", decoder, n, d).Add("b_enc", dictionary.DecoderBias, d);
        using var result = runner.Run(feed.Values, runner.Outputs);
        result.Floats(EncoderGraph.Values).CopyTo(to);
    }

    public void Dispose()
    {
        foreach (var runner in _runners.Values) runner.Dispose();
        _screened.Dispose();
    }

    private void Add(SparseDictionary dictionary, Memory<float> x, int most, SparseRows to, Memory<float> pre = default)
    {
        var width = dictionary.Width;
        for (int rows; x.Length > 0; x = x[(rows * width)..])
        {
            rows = Math.Min(most, x.Length / width);
            AddRows(dictionary, x[..(rows * width)], to, pre.IsEmpty ? pre : pre[..(rows * dictionary.FeatureCount)]);
            if (!pre.IsEmpty) pre = pre[(rows * dictionary.FeatureCount)..];
        }
    }

    private void AddRows(SparseDictionary dictionary, Memory<float> x, SparseRows to, Memory<float> pre)
    {
        var rows = x.Length / dictionary.Width;
        var taken = dictionary.Normalization.Changes ? dictionary.Normalization.Apply(x.Span, dictionary.Width) : x;
        if (_onHost && pre.IsEmpty && dictionary.Screen is not null && _screened.TryAdd(dictionary, Centred(dictionary, taken), to)) return;
        var runner = Runner(dictionary, new EncoderGraph
        {
            SubtractsBias = dictionary.SubtractsDecoderBias,
            Scales = dictionary.EncoderScale is not null,
            Finds = !_onHost,
            K = _onHost ? null : dictionary.K,
            HasThreshold = !_onHost && dictionary.Threshold is not null,
            KeepsSign = !_onHost && dictionary.KeepsSign,
            Packed = Packs(dictionary) ? dictionary.Directory : null,
        });
        using var feed = Weights(dictionary).Add("x", taken, rows, dictionary.Width);
        if (dictionary.SubtractsDecoderBias) feed.Add("b_dec", dictionary.DecoderBias, dictionary.Width);
        using var result = runner.Run(feed.Values, runner.Outputs);
        if (_onHost)
        {
            var values = result.Floats(EncoderGraph.Values);
            if (!pre.IsEmpty) values.CopyTo(pre.Span);
            Find(values, dictionary.Rule, to);
        }
        else
        {
            EncoderGraph.AddFound(result, rows, dictionary.K, to);
        }
    }

    private static Memory<float> Centred(SparseDictionary dictionary, Memory<float> x)
    {
        if (!dictionary.SubtractsDecoderBias) return x;
        var centred = x.ToArray();
        for (var at = 0; at < centred.Length; at += dictionary.Width)
        {
            var row = centred.AsSpan(at, dictionary.Width);
            TensorPrimitives.Subtract(row, dictionary.DecoderBias.Span, row);
        }
        return centred;
    }

    // weights are read where they lie
    private static Feed Weights(SparseDictionary dictionary)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        var feed = new Feed().Add("W_enc", dictionary.EncoderWeights, d, n).Add("b_enc", dictionary.EncoderBias, n);
        if (dictionary.EncoderScale is { } scale) feed.Add("scale", scale, n);
        if (dictionary.Threshold is { } threshold) feed.Add("threshold", threshold, n);
        return feed;
    }

    private GraphRunner Runner(SparseDictionary dictionary, EncoderGraph graph)
    {
        lock (_runners)
        {
            if (_runners.TryGetValue(graph, out var made)) return made;
            return _runners[graph] = new GraphRunner(graph.Build(dictionary), context, graph.Packed);
        }
    }

    private bool Packs(SparseDictionary dictionary)
    {
        // on a device, weights that are constants stay there; as inputs they would be sent for every prompt
        // what its screen does not take is not worth it
        if (_onHost && dictionary.Screen is not null) return false;
        if (!(packed || !_onHost) || dictionary.EncoderWeightsEntry.Type != TensorType.F32) return false;
        lock (_runners)
        {
            if ((!_onHost && context.Device != DeviceKind.Cpu) || _packed.Contains(dictionary.Directory)) return true;
            if (!packed || _packedBytes + dictionary.EncoderWeightsEntry.Length > MostPackedBytes) return false;
            _packedBytes += dictionary.EncoderWeightsEntry.Length;
            return _packed.Add(dictionary.Directory);
        }
    }
}
