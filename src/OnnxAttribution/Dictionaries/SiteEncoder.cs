using System.Collections.Concurrent;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Dictionaries;

/// <summary>Encodes many rows of a site. Safe for use by several threads, each call on the caller's.
/// Owns its session; who makes one disposes it.</summary>
/// <remarks>Weights are read where they lie: over hundreds of rows laying them out again
/// costs a few percent, and no copy of them is kept.</remarks>
internal sealed class SiteEncoder : IDisposable
{
    /// <summary>Rows of one product: enough for the runtime's speed, few enough for the dense result to stay in the cache.</summary>
    private const int RowsAtOnce = 256;

    private readonly SparseDictionary _dictionary;
    private readonly GraphRunner _runner;
    private readonly ConcurrentBag<ActiveFinder> _finders = [];

    /// <param name="context">Its threads: what one call takes.</param>
    public SiteEncoder(SparseDictionary dictionary, RunContext context) =>
        (_dictionary, _runner) = (dictionary, new GraphRunner(DictionaryEncoder.DenseGraph(dictionary), context));

    /// <summary>Bytes of the dense activations that a call holds.</summary>
    public static long BytesPerCall(SparseDictionary dictionary) => 2L * RowsAtOnce * sizeof(float) * dictionary.FeatureCount;

    /// <summary>Adds the rows' active features to what <paramref name="to"/> holds.</summary>
    /// <param name="x">[rows, d].</param>
    public void Encode(Memory<float> x, SparseRows to)
    {
        int d = _dictionary.Width, n = _dictionary.FeatureCount;
        if (!_finders.TryTake(out var finder)) finder = new ActiveFinder(n, _dictionary.K, _dictionary.Threshold);
        for (; x.Length > 0; x = x[(Math.Min(RowsAtOnce * d, x.Length))..])
        {
            var some = x[..Math.Min(RowsAtOnce * d, x.Length)];
            using var feed = DictionaryEncoder.Inputs(_dictionary, some, some.Length / d);
            using var result = _runner.Run(feed.Values, _runner.Outputs);
            finder.Add(result.Floats(_runner.Outputs[0]), to);
        }
        _finders.Add(finder);
    }

    public void Dispose() => _runner.Dispose();
}
