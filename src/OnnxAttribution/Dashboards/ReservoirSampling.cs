namespace OnnxAttribution.Dashboards;

/// <summary>A uniform sample of each of many streams, in one pass:
/// Li 1994, algorithm L, which skips from one taken item to the next and draws nothing in between.</summary>
/// <remarks>Each stream has a generator of its own, so a sample depends on the seed and the stream's items,
/// not on what other streams or threads do.</remarks>
internal sealed class ReservoirSampling
{
    private readonly int _size;
    private readonly double[] _weight;
    private readonly long[] _next;      // number of the next item to take, from 1
    private readonly ulong[] _state;

    /// <param name="size">Items kept per stream; 0: none.</param>
    public ReservoirSampling(int streams, int size, ulong seed)
    {
        _size = size;
        (_weight, _next, _state) = (new double[streams], new long[streams], new ulong[streams]);
        Array.Fill(_weight, 1);
        Array.Fill(_next, size == 0 ? long.MaxValue : 1);
        for (var i = 0; i < streams; i++) _state[i] = Mixed(seed + (0x9E3779B97F4A7C15 * (ulong)(i + 1)));
    }

    /// <summary>What is to be saved, in order.</summary>
    public Array[] State => [_weight, _next, _state];

    public bool Takes(int stream, long number) => number == _next[stream];

    /// <summary>The place in the sample that a taken item goes to, in the stead of what is there.</summary>
    /// <param name="number">Of the item in its stream, from 1; one for which <see cref="Takes"/> holds.</param>
    public int Place(int stream, long number)
    {
        if (number < _size)
        {
            _next[stream] = number + 1;
            return (int)number - 1;
        }
        var place = number == _size ? _size - 1 : (int)(Next(stream) * _size);
        _weight[stream] *= Math.Exp(Math.Log(Next(stream)) / _size);
        var skipped = Math.Floor(Math.Log(Next(stream)) / Math.Log(1 - _weight[stream]));
        _next[stream] = skipped < long.MaxValue / 4 ? number + (long)skipped + 1 : long.MaxValue;
        return place;
    }

    // in (0, 1): SplitMix64, its upper 53 bits
    private double Next(int stream) => ((Mixed(_state[stream] += 0x9E3779B97F4A7C15) >> 11) + 0.5) * (1.0 / (1L << 53));

    private static ulong Mixed(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
