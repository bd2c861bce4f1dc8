namespace OnnxAttribution.Dashboards;

/// <summary>A uniform sample of a text's final residual vectors, for the scale that the final LayerNorm has on it.</summary>
internal sealed class FinalResidualSample(int width, int size, ulong seed)
{
    private readonly ReservoirSampling _sampling = new(1, size, seed);
    private readonly float[] _vectors = new float[checked(width * size)];
    private readonly long[] _count = new long[1];

    /// <summary>Vectors kept.</summary>
    public int Count => (int)Math.Min(_count[0], size);

    /// <summary>[count, d].</summary>
    public Memory<float> Vectors => _vectors.AsMemory(0, Count * width);

    /// <summary>All that is to be saved, in order.</summary>
    public IReadOnlyList<Array> State => [.. _sampling.State, _vectors, _count];

    public void Add(ReadOnlySpan<float> vector)
    {
        if (_sampling.Takes(0, ++_count[0])) vector.CopyTo(_vectors.AsSpan(_sampling.Place(0, _count[0]) * width));
    }
}
