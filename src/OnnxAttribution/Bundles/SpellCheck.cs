namespace OnnxAttribution.Bundles;

/// <summary>What a misspelt name was probably meant to be.</summary>
internal static class SpellCheck
{
    // a name out of a file may have any length
    private const int Longest = 256;

    public static string Among(IEnumerable<string> names, string misspelt) =>
        names.Where(n => n.Length <= Longest).MinBy(n => (StartsAs(n, misspelt) ? 1 : Distance(misspelt.ToLowerInvariant(),
            n.ToLowerInvariant()), Distance(misspelt, n))) ?? "";

    // what was begun and not finished is as near as one letter
    private static bool StartsAs(string name, string begun) =>
        begun.Length > 1 && name.Length > begun.Length && name.StartsWith(begun, StringComparison.OrdinalIgnoreCase);

    // Levenshtein
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var here = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], here);
            }
        }
        return row[^1];
    }
}
