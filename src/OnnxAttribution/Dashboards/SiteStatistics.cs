using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Dashboards;

/// <summary>
/// What a text says about the features of one site, gathered sequence by sequence in bounded memory.
/// For every active feature of every token:
/// 1. its count, sum, largest activation and histogram;
/// 2. if the activation is above the weakest of its top contexts, a candidate; when the sequence ends, candidates are taken from the
///    strongest down, those whose windows overlap passed over, and of contexts with the very same tokens the strongest is kept;
/// 3. if its sampling takes it, a sample with its window, for contexts of weaker activations.
/// </summary>
/// <remarks>
/// Windows overlap only within a sequence, so what is chosen sequence by sequence is what a look at the whole text would choose.
/// All of it lies in flat arrays of a size known beforehand, which is also what an interrupted run saves.
/// </remarks>
internal sealed partial class SiteStatistics
{
    private readonly FeatureOptions _options;
    private readonly int _top;
    private readonly int _slots;    // top contexts first, then samples
    private readonly long[] _count;
    private readonly double[] _sum;
    private readonly float[] _max;
    private readonly int[] _exponent;      // the histogram's range is 2 to this
    private readonly float[] _perUnit;     // bins per unit of activation; 0 before the first
    private readonly long[] _bins;
    private readonly float[] _threshold;   // the weakest of a full top, else 0
    private readonly int[] _topCount;
    private readonly ReservoirSampling _sampling;
    private readonly List<(int Feature, int Position, float Activation)> _candidates = [];
    private readonly List<int> _taken = [];

    /// <param name="seed">Of this site's samples.</param>
    public SiteStatistics(int features, FeatureOptions options, ulong seed)
    {
        (Features, _options, _top, _slots) = (features, options, options.Top, options.Top + options.Samples);
        (_count, _sum, _max, _exponent, _perUnit) = (new long[features], new double[features], new float[features], new int[features],
            new float[features]);
        (_bins, _threshold, _topCount) = (new long[features * ActivationHistogram.Bins], new float[features], new int[features]);
        _sampling = new ReservoirSampling(features, options.Samples, seed);
        var contexts = checked(features * _slots);
        (_slotActivation, _slotPlace, _slotShape) = (new float[contexts], new long[contexts], new int[contexts]);
        (_slotTokens, _slotActivations) = (new int[checked(contexts * Width)], new ushort[contexts * Width]);
    }

    public int Features { get; }

    /// <summary>Bytes that the statistics of one feature take.</summary>
    public static long BytesPerFeature(FeatureOptions options)
    {
        var contexts = options.Top + options.Samples;
        return (contexts * (16 + (6L * ((2 * options.Window) + 1)))) + (8 * ActivationHistogram.Bins) + 72;
    }

    /// <summary>All that is to be saved, in order.</summary>
    public IReadOnlyList<Array> State =>
        [_count, _sum, _max, _exponent, _perUnit, _bins, _threshold, _topCount, .. _sampling.State, _slotActivation, _slotPlace, _slotShape,
            _slotTokens, _slotActivations];

    /// <summary>Tokens at which a feature was active.</summary>
    public long Count(int feature) => _count[feature];

    public double Mean(int feature) => _count[feature] == 0 ? 0 : _sum[feature] / _count[feature];

    public float Max(int feature) => _max[feature];

    public long[] Histogram(int feature) => ActivationHistogram.Filled(Bins(feature));

    /// <summary>Adds a sequence.</summary>
    /// <param name="number">Of the sequence in the text.</param>
    /// <param name="tokens">BOS included.</param>
    /// <param name="first">The first position that counts: 1 behind a BOS, else 0.</param>
    /// <param name="rows">Active features; the sequence's first row is <paramref name="row"/>.</param>
    public void Add(long number, ReadOnlySpan<int> tokens, int first, SparseRows rows, int row)
    {
        var here = new Sequence(number * Stride, tokens, first, rows, row);
        _candidates.Clear();
        for (var p = first; p < tokens.Length; p++)
        {
            var features = rows.Features(row + p);
            var activations = rows.Activations(row + p);
            for (var i = 0; i < features.Length; i++)
            {
                var (f, a) = (features[i], activations[i]);
                var count = ++_count[f];
                _sum[f] += a;
                if (a > _max[f]) Widen(f, a);
                _bins[(f * ActivationHistogram.Bins) + Math.Max(0, (int)MathF.Ceiling(a * _perUnit[f]) - 1)]++;
                if (a > _threshold[f]) _candidates.Add((f, p, a));
                if (_sampling.Takes(f, count)) Put(SlotOf(f, _top + _sampling.Place(f, count)), f, p, a, here);
            }
        }
        if (_top > 0) Choose(here);
    }

    private Span<long> Bins(int feature) => _bins.AsSpan(feature * ActivationHistogram.Bins, ActivationHistogram.Bins);

    private void Widen(int f, float a)
    {
        var exponent = ActivationHistogram.ExponentFor(a);
        if (_max[f] > 0 && exponent > _exponent[f]) ActivationHistogram.Widen(Bins(f), exponent - _exponent[f]);
        (_max[f], _exponent[f], _perUnit[f]) = (a, exponent, MathF.ScaleB(ActivationHistogram.Bins, -exponent));
    }

    private void Choose(in Sequence here)
    {
        _candidates.Sort(static (x, y) => x.Feature != y.Feature ? x.Feature.CompareTo(y.Feature)
            : x.Activation != y.Activation ? y.Activation.CompareTo(x.Activation)
            : x.Position.CompareTo(y.Position));
        for (var i = 0; i < _candidates.Count; i++)
        {
            var (f, p, a) = _candidates[i];
            if (i == 0 || _candidates[i - 1].Feature != f) _taken.Clear();
            if (a <= _threshold[f] || _taken.Exists(q => Math.Abs(p - q) <= 2 * _options.Window)) continue;
            _taken.Add(p);
            Enter(f, p, a, here);
        }
    }
}
