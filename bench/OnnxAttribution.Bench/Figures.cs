namespace OnnxAttribution.Bench;

/// <summary>Figures of several runs, as they are kept: to the microsecond, since what lies below is noise and people read them.</summary>
internal static class Figures
{
    /// <summary>The upper one of the two in the middle where their number is even: a time that was measured.</summary>
    public static double Median(IReadOnlyList<double> seconds) => seconds.Order().ElementAt(seconds.Count / 2);

    public static double Rounded(double value) => Math.Round(value, 6);

    public static IReadOnlyList<double> Rounded(IEnumerable<double> values) => [.. values.Select(Rounded)];

    public static IReadOnlyDictionary<string, double> Rounded(IReadOnlyDictionary<string, double> values) =>
        values.ToDictionary(v => v.Key, v => Rounded(v.Value));
}
