namespace OnnxAttribution.Curves;

/// <summary>How straight a row of points is.</summary>
internal static class StraightLine
{
    /// <summary>What float32 leaves of a constant counts as one: a spread below this share of its largest value.</summary>
    private const double Constant = 1e-6;

    /// <summary>R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)², ŷ the least-squares straight line.</summary>
    /// <returns>NaN where y is constant or there are fewer than two different x.</returns>
    public static double RSquared(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        if (x.Count < 2 || y.Max() - y.Min() <= Constant * y.Max(Math.Abs)) return double.NaN;
        double meanX = x.Average(), meanY = y.Average(), xx = 0, xy = 0, yy = 0;
        for (var i = 0; i < x.Count; i++)
        {
            xx += (x[i] - meanX) * (x[i] - meanX);
            xy += (x[i] - meanX) * (y[i] - meanY);
            yy += (y[i] - meanY) * (y[i] - meanY);
        }
        return xx == 0 ? double.NaN : Math.Min(1, xy * xy / (xx * yy));   // rounding may pass 1
    }
}
