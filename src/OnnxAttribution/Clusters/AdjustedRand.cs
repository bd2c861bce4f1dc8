namespace OnnxAttribution.Clusters;

/// <summary>How far two ways to part the same things agree, less what chance gives: 1 where they are the same, about 0 by chance.</summary>
/// <remarks>Hubert, Arabie 1985: (Σ C(nᵢⱼ, 2) − e) / ((Σ C(aᵢ, 2) + Σ C(bⱼ, 2)) / 2 − e), e = Σ C(aᵢ, 2) Σ C(bⱼ, 2) / C(n, 2).</remarks>
internal static class AdjustedRand
{
    /// <param name="one">The part of each thing.</param>
    /// <param name="other">As many.</param>
    public static double Index<T, TOther>(IReadOnlyList<T> one, IReadOnlyList<TOther> other) where T : notnull where TOther : notnull
    {
        static double Pairs(IEnumerable<int> counts) => counts.Sum(n => n * (n - 1.0) / 2);
        var both = Pairs(one.Zip(other).CountBy(pair => pair).Select(c => c.Value));
        var (a, b) = (Pairs(one.CountBy(x => x).Select(c => c.Value)), Pairs(other.CountBy(x => x).Select(c => c.Value)));
        var all = one.Count * (one.Count - 1.0) / 2;
        var (chance, most) = (all > 0 ? a * b / all : 0, (a + b) / 2);
        return most == chance ? 1 : (both - chance) / (most - chance);
    }
}
