using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>Compares the output that a document shows with what the command prints.</summary>
internal static partial class ShownOutput
{
    private const string LeftOut = "…";

    /// <summary>
    /// What is shown begins and ends as the output does, and a line of <c>…</c> stands for lines left out, <c>…</c> at the end of a line
    /// for the rest of it. Empty lines do not count. Figures may differ by one in their last digit, since the order of sums differs between
    /// machines; of sizes only the words are compared, and of times nothing.
    /// </summary>
    public static void Compare(DocumentCommand command, string output)
    {
        var printed = Lines(output.Split('\n'));
        var shown = Lines(command.Shown);
        var at = 0;
        for (var i = 0; i < shown.Count; i++)
        {
            if (shown[i].Trim() != LeftOut)
            {
                var line = printed.ElementAtOrDefault(at++);
                Assert.True(line is not null && Same(shown[i], line), $"{command}\nshows:  {shown[i]}\nprints: {line ?? "nothing more"}");
                continue;
            }
            var next = i + 1 < shown.Count ? shown[i + 1] : null;
            while (at < printed.Count && (next is null || !Same(next, printed[at]))) at++;
            Assert.True(next is null || at < printed.Count, $"{command}\nshows:  {next}\nwhich is not printed there");
        }
        Assert.True(at == printed.Count, $"{command}\nprints further: {printed.ElementAtOrDefault(at)}");
    }

    /// <summary>Whether a shown line is the printed one.</summary>
    public static bool Same(string shown, string printed)
    {
        var unmeasured = shown.StartsWith("time ", StringComparison.Ordinal);
        if (unmeasured) return printed.StartsWith("time ", StringComparison.Ordinal);
        if (shown.EndsWith("  …", StringComparison.Ordinal)) return printed.StartsWith(shown[..^3], StringComparison.Ordinal);
        var (a, b) = (Parts(shown), Parts(printed));
        if (!a.Words.SequenceEqual(b.Words)) return false;
        return shown.StartsWith("wrote ", StringComparison.Ordinal) || a.Figures.Zip(b.Figures).All(p => Close(p.First, p.Second));
    }

    private static List<string> Lines(IEnumerable<string> lines) => [.. lines.Select(l => l.TrimEnd()).Where(l => l.Length > 0)];

    private static (IReadOnlyList<string> Words, IReadOnlyList<string> Figures) Parts(string line)
    {
        var figures = Figure().Matches(line).Select(m => m.Value).ToList();
        var words = Figure().Replace(line, "0").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w => Rule().Replace(w, "─"));
        return ([.. words], figures);
    }

    private static bool Close(string shown, string printed)
    {
        if (shown == printed) return true;
        var decimals = shown.Contains('.') ? shown.Length - shown.IndexOf('.') - 1 : 0;
        if (decimals == 0) return false;
        var (a, b) = (double.Parse(shown, CultureInfo.InvariantCulture), double.Parse(printed, CultureInfo.InvariantCulture));
        return Math.Abs(a - b) <= Math.Max(1.01 * Math.Pow(10, -decimals), 1e-3 * Math.Abs(a));
    }

    // a sign is one where no word stands before it
    [GeneratedRegex(@"(?<![\w.])-?\d[\d,]*(\.\d+)?")]
    private static partial Regex Figure();

    [GeneratedRegex("─+")]
    private static partial Regex Rule();
}
