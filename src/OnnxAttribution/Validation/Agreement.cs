using System.Numerics.Tensors;
using MathNet.Numerics.Statistics;

namespace OnnxAttribution.Validation;

/// <summary>How well approximate values agree with exact ones, pair by pair. NaN where a number is not defined.</summary>
/// <param name="Count">Pairs compared; pairs with a NaN are left out of everything.</param>
/// <param name="Pearson">Linear correlation; NaN below two pairs, or where one side does not vary.</param>
/// <param name="Spearman">Correlation of the ranks, equal values sharing the mean of theirs; NaN as above.</param>
/// <param name="SignAgreement">Of the pairs whose exact value is not 0,
/// the share whose approximate value has its sign (0 has neither's).</param>
/// <param name="Slope">Slope of the line through the origin that gives exact from approximate with least squares, <c>Σ a e / Σ a²</c>:
/// 1 is best, above it the approximation falls short. NaN where every approximate value is 0.</param>
/// <param name="MedianRelativeError">Median of <c>|a − e| / |e|</c> over the pairs whose exact value is not 0.</param>
/// <param name="Top">How many of the largest magnitudes <paramref name="TopRecall"/> looks at.</param>
/// <param name="TopRecall">Of the pairs with the <paramref name="Top"/> largest exact magnitudes, the share that are among as many largest
/// approximate ones. Of equal magnitudes the earlier counts as larger.</param>
internal sealed record Agreement(
    int Count, double Pearson, double Spearman, double SignAgreement, double Slope, double MedianRelativeError, int Top, double TopRecall)
{
    /// <summary>Compares estimates with exact values.</summary>
    /// <param name="exact">The exact values.</param>
    /// <param name="approximate">The estimates, in the same order.</param>
    /// <param name="top">At most as many as there are pairs; a tenth of them, and at least one, where null.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="top"/> is below 1.</exception>
    public static Agreement Between(ReadOnlySpan<double> exact, ReadOnlySpan<double> approximate, int? top = null)
    {
        if (exact.Length != approximate.Length)
        {
            throw new ArgumentException($"There are {exact.Length} exact values and {approximate.Length} approximate ones.",
                nameof(approximate));
        }
        ArgumentOutOfRangeException.ThrowIfLessThan(top ?? 1, 1, nameof(top));
        var (e, a) = WithoutNaN(exact, approximate);
        var k = Math.Min(top ?? Math.Max(1, e.Length / 10), e.Length);
        return new(e.Length, Pearsons(e, a), Spearmans(e, a), SameSigns(e, a), SlopeOf(e, a), MedianError(e, a), k, Recall(e, a, k));
    }

    private static (double[] Exact, double[] Approximate) WithoutNaN(ReadOnlySpan<double> exact, ReadOnlySpan<double> approximate)
    {
        var (e, a) = (new List<double>(exact.Length), new List<double>(exact.Length));
        for (var i = 0; i < exact.Length; i++)
        {
            if (double.IsNaN(exact[i]) || double.IsNaN(approximate[i])) continue;
            e.Add(exact[i]);
            a.Add(approximate[i]);
        }
        return ([.. e], [.. a]);
    }

    private static double Pearsons(double[] e, double[] a) =>
        Varies(e) && Varies(a) ? Correlated(Scaled(e).Values, Scaled(a).Values) : double.NaN;

    private static double Spearmans(double[] e, double[] a) => Varies(e) && Varies(a) ? Correlated(Ranks(e), Ranks(a)) : double.NaN;

    // rounding goes a little beyond
    private static double Correlated(double[] x, double[] y) => Math.Clamp(Correlation.Pearson(x, y), -1, 1);

    private static double[] Ranks(double[] values) => ArrayStatistics.RanksInplace([.. values], RankDefinition.Average);

    private static bool Varies(double[] values) => values.AsSpan().ContainsAnyExcept(values.Length > 0 ? values[0] : 0);

    /// <summary>Divided by the largest magnitude, so that no square runs over or under.</summary>
    private static (double[] Values, double Scale) Scaled(double[] values)
    {
        var scale = values.Length == 0 ? 0 : Math.Abs(TensorPrimitives.MaxMagnitude<double>(values));
        return scale is 0 or double.PositiveInfinity ? (values, 1) : ([.. values.Select(v => v / scale)], scale);
    }

    private static double SameSigns(double[] e, double[] a)
    {
        var (same, all) = (0, 0);
        for (var i = 0; i < e.Length; i++)
        {
            if (e[i] == 0) continue;
            all++;
            if (Math.Sign(e[i]) == Math.Sign(a[i])) same++;
        }
        return (double)same / all;   // 0 / 0 is NaN
    }

    private static double SlopeOf(double[] e, double[] a)
    {
        var ((es, scaleE), (values, scaleA)) = (Scaled(e), Scaled(a));
        return TensorPrimitives.Dot<double>(values, es) / TensorPrimitives.SumOfSquares<double>(values) * (scaleE / scaleA);
    }

    private static double MedianError(double[] e, double[] a)
    {
        var errors = new List<double>(e.Length);
        for (var i = 0; i < e.Length; i++)
        {
            if (e[i] != 0) errors.Add(Math.Abs(a[i] - e[i]) / Math.Abs(e[i]));
        }
        return errors.Median();
    }

    private static double Recall(double[] e, double[] a, int k) => (double)Largest(e, k).Intersect(Largest(a, k)).Count() / k;

    private static IEnumerable<int> Largest(double[] values, int k) =>
        Enumerable.Range(0, values.Length).OrderByDescending(i => Math.Abs(values[i])).Take(k);
}
