using System.Globalization;

namespace OnnxAttribution.Curves;

/// <summary>The coefficients of a response curve, from text: a range <c>0..1:0.1</c> or a list <c>0,0.5,1</c>.</summary>
internal static class Coefficients
{
    /// <summary>More points say nothing that fewer do not.</summary>
    public const int Most = 10_000;

    private const string Advice = "write a range with its step, such as 0..1:0.1 or -1..2:0.25, or a list such as 0,0.5,1";

    /// <summary>Reads a range (both ends included, the last where a step lands on it) or a list, in any order.</summary>
    /// <returns>Ascending, each once. They are counted in decimals: 0..1:0.1 holds 0.3 and 1 as they are written.</returns>
    /// <exception cref="FormatException">The text is neither, or has more than <see cref="Most"/> points;
    /// the message says what to write.</exception>
    public static IReadOnlyList<double> Parse(string text)
    {
        var points = text.Contains("..", StringComparison.Ordinal) ? Range(text) : List(text);
        return [.. points.Distinct().Order().Select(c => (double)c + 0.0)];   // -0 becomes 0
    }

    private static IEnumerable<decimal> List(string text)
    {
        if (text.Contains(':')) throw new FormatException($"coefficients '{text}' have a step and no range; {Advice}");
        var parts = text.Split(',');
        return parts.Length <= Most ? parts.Select(p => Number(p, text)).ToArray() : throw TooMany(text, parts.Length);
    }

    private static IEnumerable<decimal> Range(string text)
    {
        var ends = text.Split("..");
        var last = ends[^1].Split(':');
        if (ends.Length != 2 || last.Length > 2) throw new FormatException($"coefficients '{text}' are no range; {Advice}");
        if (last.Length == 1) throw new FormatException($"coefficients '{text}' have no step; write it behind a colon, such as {text}:0.1");
        var (from, to, step) = (Number(ends[0], text), Number(last[0], text), Number(last[1], text));
        if (step <= 0) throw new FormatException($"coefficients '{text}' have the step {last[1]}; give a step above 0, such as 0.1");
        if (to < from) throw new FormatException($"coefficients '{text}' run downwards; write {last[0]}..{ends[0]}:{last[1]}");
        var steps = (double)(to - from) / (double)step;   // may pass what a decimal holds
        if (steps > 2 * Most || decimal.Floor((to - from) / step) >= Most) throw TooMany(text, Math.Round(steps) + 1);
        var count = (int)decimal.Floor((to - from) / step) + 1;
        return Enumerable.Range(0, count).Select(i => from + (i * step));
    }

    private static decimal Number(string part, string text)
    {
        // float32 is what the model computes in: what lies beyond a million times a feature's own activation says nothing
        const decimal largest = 1_000_000;
        if (!decimal.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
        {
            throw new FormatException($"coefficients '{text}' hold '{part.Trim()}', which is no number; {Advice}");
        }
        return Math.Abs(number) <= largest
            ? number
            : throw new FormatException($"coefficients '{text}' hold {part.Trim()}; give numbers between -1000000 and 1000000");
    }

    private static FormatException TooMany(string text, double count) =>
        new($"coefficients '{text}' are {count.ToString("N0", CultureInfo.InvariantCulture)} points; "
            + $"give at most {Most.ToString("N0", CultureInfo.InvariantCulture)}, with a larger step");
}
