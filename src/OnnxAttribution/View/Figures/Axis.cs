using System.Globalization;

namespace OnnxAttribution.View.Figures;

/// <summary>One axis of a plot: which share of its length a value lies at, and where its ticks are.</summary>
internal sealed class Axis
{
    private const double Margin = 0.04;
    private static readonly double[] s_steps = [1, 2, 2.5, 5, 10];
    private readonly double _low, _high, _straight;

    private Axis(string label, AxisKind kind, (double Low, double High) ends, double straight, IReadOnlyList<(double, string)> ticks) =>
        (Label, Kind, (_low, _high), _straight, Ticks) = (label, kind, ends, straight, ticks);

    public string Label { get; }
    public AxisKind Kind { get; }

    /// <summary>Ascending.</summary>
    public IReadOnlyList<(double Value, string Text)> Ticks { get; }

    /// <summary>An axis that holds all values, from tick to tick.</summary>
    /// <param name="values">What is not finite is passed over; without any other the axis goes from 0 to 1.</param>
    /// <param name="ticks">About how many.</param>
    public static Axis Linear(string label, IEnumerable<double> values, int ticks = 5)
    {
        var (low, high) = Range(values);
        var step = Step((high - low) / Math.Max(1, ticks));
        var (first, last) = (Math.Floor((low / step) + 1e-9), Math.Ceiling((high / step) - 1e-9));
        double[] at = [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
        return new Axis(label, AxisKind.Linear, (at[0], at[^1]), 0, [.. at.Select(v => (v, Text(v, step)))]);
    }

    /// <summary>An axis of counts, 0 included, with ticks at 1, 2, 5, 10, …</summary>
    public static Axis Counts(string label, IEnumerable<double> values)
    {
        var high = Math.Max(1, values.Where(double.IsFinite).DefaultIfEmpty(1).Max());
        var at = new List<double> { 0 };
        for (var power = 1.0; power <= high; power *= 10) at.AddRange(((double[])[power, 2 * power, 5 * power]).Where(v => v <= high));
        if (at.Count > 10) at = [.. at.Where(v => v == 0 || Math.Abs(Math.Log10(v) - Math.Round(Math.Log10(v))) < 1e-9)];
        return new Axis(label, AxisKind.SymmetricLog, (0, high * 1.08), 1, [.. at.Select(v => (v, Text(v, 1)))]);
    }

    /// <summary>An axis for values of both signs and many sizes, as far to the one side as to the other;
    /// straight within a hundredth of the largest.</summary>
    public static Axis Symmetric(string label, IEnumerable<double> values)
    {
        var most = values.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
        if (most == 0) most = 1;
        var straight = most / 100;
        var power = Math.Pow(10, Math.Floor(Math.Log10(most)));
        List<double> positive = [.. ((double[])[power / 100, power / 10, power]).Where(v => v >= straight * 2)];
        if (positive[^1] < most * 0.3) positive.Add(positive[^1] * 5);
        double[] at = [.. positive.Select(v => -v).Reverse(), 0, .. positive];
        var transformed = Math.Log10(1 + (most / straight)) * (1 + Margin);
        var end = straight * (Math.Pow(10, transformed) - 1);
        return new Axis(label, AxisKind.SymmetricLog, (-end, end), straight, [.. at.Select(v => (v, Text(v, Math.Abs(v) / 10)))]);
    }

    /// <summary>0 at the axis's beginning, 1 at its end; monotone. Values beyond the ends are put there.</summary>
    public double Share(double value) => Math.Clamp((Along(value) - Along(_low)) / (Along(_high) - Along(_low)), 0, 1);

    private double Along(double value) => Kind == AxisKind.Linear ? value : Math.Sign(value) * Math.Log(1 + (Math.Abs(value) / _straight));

    private static (double Low, double High) Range(IEnumerable<double> values)
    {
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var v in values.Where(double.IsFinite)) (low, high) = (Math.Min(low, v), Math.Max(high, v));
        if (low > high) return (0, 1);
        return high > low ? (low, high) : low == 0 ? (0, 1) : (low - Math.Abs(low / 2), high + Math.Abs(high / 2));
    }

    private static double Step(double least)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return s_steps.First(s => s * power >= least * (1 - 1e-9)) * power;
    }

    // as many decimals as tell neighbours apart
    private static string Text(double value, double step)
    {
        if (value == 0 || Math.Abs(value) < step * 1e-6) return "0";
        if (Math.Abs(value) is >= 1e6 or < 1e-4)
        {
            return value.ToString("0.##E0", CultureInfo.InvariantCulture).Replace("-", "−", StringComparison.Ordinal);
        }
        var decimals = Enumerable.Range(0, 6).FirstOrDefault(d => Math.Abs(Math.Round(step, d) - step) < step * 1e-6, 6);
        return Math.Round(value, decimals).ToString("#,0.######", CultureInfo.InvariantCulture).Replace('-', '−');
    }
}

/// <summary>How values are spread along an axis.</summary>
internal enum AxisKind
{
    Linear,

    /// <summary>Like a logarithm far from 0 and straight around it, <c>sign(v) log(1 + |v| / c)</c>:
    /// for counts that begin at 0, and for effects of both signs and many sizes.</summary>
    SymmetricLog,
}
