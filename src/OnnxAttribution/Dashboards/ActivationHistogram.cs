namespace OnnxAttribution.Dashboards;

/// <summary>Counts of one feature's activations in <see cref="Bins"/> equal bins over a range that doubles when an activation passes it:
/// pairs of bins merge, so counts stay exact.</summary>
/// <remarks>A bin reaches from its lower edge, not included, to its upper.
/// The range is the least power of two that is not below the largest activation, whatever the order they came in.</remarks>
internal static class ActivationHistogram
{
    public const int Bins = 32;

    /// <summary>Width of a bin when the largest activation is this one.</summary>
    public static float WidthFor(float max) => max > 0 ? MathF.ScaleB(1, ExponentFor(max)) / Bins : 0;

    /// <summary>The least e with activation ≤ 2ᵉ.</summary>
    public static int ExponentFor(float activation)
    {
        var e = MathF.ILogB(activation);
        return MathF.ScaleB(1, e) < activation ? e + 1 : e;
    }

    /// <summary>The bin of an activation in a range 2ᵉ that holds it.</summary>
    public static int BinOf(float activation, int exponent) =>
        Math.Max(0, (int)MathF.Ceiling(MathF.ScaleB(activation, -exponent) * Bins) - 1);

    /// <summary>Merges pairs of bins, as often as the range doubles.</summary>
    public static void Widen(Span<long> bins, int times)
    {
        for (times = Math.Min(times, 5); times > 0; times--)   // after five all lie in the first bin
        {
            for (var i = 0; i < Bins / 2; i++) bins[i] = bins[2 * i] + bins[(2 * i) + 1];
            bins[(Bins / 2)..].Clear();
        }
    }

    /// <summary>The bins up to the one that holds the largest activation.</summary>
    public static long[] Filled(ReadOnlySpan<long> bins) => bins[..(bins.LastIndexOfAnyExcept(0) + 1)].ToArray();
}
