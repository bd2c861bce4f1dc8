namespace OnnxAttribution.Runs;

/// <summary>
/// Intervals of means over prompts, by the percentile bootstrap (Efron and Tibshirani 1993, chapter 13).
/// 1. As many prompts as there are are drawn from them, with replacement, so many times: how often each was drawn.
/// 2. A value's mean over each draw; the values that are drawn together stay together.
/// 3. The interval holds the middle of these means.
/// </summary>
/// <remarks>The same draws serve all values. A byte per prompt and draw.</remarks>
internal sealed class MeanBootstrap
{
    private readonly byte[] _drawn;   // [prompts, resamples]
    private readonly int _prompts;
    private readonly Store.BootstrapRecord _asked;

    /// <param name="prompts">How many there are.</param>
    /// <param name="asked">How often is drawn, and how wide an interval is.</param>
    public MeanBootstrap(int prompts, Store.BootstrapRecord asked)
    {
        (_prompts, _asked) = (prompts, asked);
        _drawn = new byte[(long)prompts * asked.Resamples];
        var state = (ulong)asked.Seed;
        for (var draw = 0; draw < asked.Resamples; draw++)
        {
            for (var i = 0; i < prompts; i++)
            {
                ref var count = ref _drawn[((long)Next(ref state, prompts) * asked.Resamples) + draw];
                if (count < byte.MaxValue) count++;   // more is a matter of 10^500 draws
            }
        }
    }

    /// <summary>How often is drawn for so many prompts: a thousand times, or as often as 256 MiB hold.</summary>
    public static Store.BootstrapRecord For(int prompts) => new(Math.Clamp((1 << 28) / prompts, 100, 1000), Seed: 0, Level: 0.95);

    /// <summary>The interval of a value's mean over all prompts, in the value's unit; NaN where there are fewer than two.</summary>
    /// <param name="prompts">Those with a value that is not 0, from 0.</param>
    /// <param name="values">Theirs.</param>
    public (float Low, float High) Interval(ReadOnlySpan<int> prompts, ReadOnlySpan<double> values)
    {
        if (_prompts < 2) return (float.NaN, float.NaN);
        var sums = new double[_asked.Resamples];
        for (var i = 0; i < prompts.Length; i++)
        {
            var drawn = _drawn.AsSpan(checked(prompts[i] * _asked.Resamples), _asked.Resamples);
            var value = values[i];
            for (var draw = 0; draw < sums.Length; draw++) sums[draw] += value * drawn[draw];
        }
        Array.Sort(sums);
        var outside = (1 - _asked.Level) / 2;
        return ((float)(Quantile(sums, outside) / _prompts), (float)(Quantile(sums, 1 - outside) / _prompts));
    }

    // between the two that it lies between, in proportion
    private static double Quantile(double[] sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        return sorted[below] + ((at - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]));
    }

    // SplitMix64; the same on every machine and in every version of .NET
    private static int Next(ref ulong state, int below)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return (int)Math.BigMul(z ^ (z >> 31), (ulong)below, out _);
    }
}
