using System.Collections;
using System.Globalization;

namespace OnnxAttribution.View.Page;

/// <summary>Two texts, as a list of them: <c>["a", "b"]</c>.</summary>
internal readonly record struct TextPair(string First, string Second) : IEnumerable<string>
{
    public IEnumerator<string> GetEnumerator()
    {
        yield return First;
        yield return Second;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A whole number and a number of five digits, as a list of them: <c>[1, 1.5]</c>.</summary>
internal readonly record struct NumberPair(int First, double Second) : IEnumerable<double?>
{
    public IEnumerator<double?> GetEnumerator()
    {
        yield return First;
        yield return FiveDigits.OrNull(Second);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Five digits: nobody reads more off a picture, and the Parquet has them.</summary>
internal static class FiveDigits
{
    /// <summary>Null for what is no number.</summary>
    public static double? OrNull(double? value) => value is { } number && double.IsFinite(number) ? Of(number) : null;

    /// <param name="value">A finite number.</param>
    public static double Of(double value)
    {
        Span<char> digits = stackalloc char[32];
        value.TryFormat(digits, out var length, "G5", CultureInfo.InvariantCulture);
        return double.Parse(digits[..length], NumberStyles.Float, CultureInfo.InvariantCulture);
    }
}
