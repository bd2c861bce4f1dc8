using System.Globalization;

namespace OnnxAttribution.View;

/// <summary>Figures as tables show them; a dash for what is no number.</summary>
internal static class NumberText
{
    private const string None = "–";

    /// <summary>Four significant digits at most, as short as they come.</summary>
    public static string Of(double? value) =>
        value is not { } v || double.IsNaN(v) ? None : v.ToString("G4", CultureInfo.InvariantCulture);

    /// <summary>What is under a thousandth of a percent is not 0, and is not shown as if it were.</summary>
    public static string Percent(double? share) => share switch
    {
        null or double.NaN => None,
        > 0 and < 0.5e-5 => "<0.001 %",
        > -0.001 and < 0.001 => string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.###} %"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.0} %"),
    };

    /// <summary>Four places, and never 1 for what is not.</summary>
    public static string Correlation(double? value) =>
        value is not { } v || double.IsNaN(v) ? None : (Math.Truncate(v * 1e4) / 1e4).ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>Such as <c>1,000</c>.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Such as <c>1 node</c>, <c>1,000 nodes</c>.</summary>
    public static string Count(int count, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");
}
