using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bench;

/// <summary>
/// The tables of a Markdown page that are made from records. Each stands between <c>&lt;!-- speed: KIND FILE… --&gt;</c>, files as seen
/// from the repository's root, on several lines where they are many, and <c>&lt;!-- /speed --&gt;</c>.
/// Where a file is not there yet, the page says so.
/// </summary>
internal static partial class MarkedTables
{
    private const string End = "<!-- /speed -->", NotYet = "Not measured on this machine yet; `make bench` does.\n";

    /// <summary>Makes every marked table of a page anew.</summary>
    /// <param name="root">Where the markers' paths begin.</param>
    public static void Fill(string page, string root)
    {
        var text = Filled(RegularFile.ReadAllText(page), root);
        OutputFile.Write(page, file => file.Write(System.Text.Encoding.UTF8.GetBytes(text)));
    }

    /// <returns>The page with its marked tables as the records say.</returns>
    /// <exception cref="FormatException">A marker names no kind of table or no record, or has no end.</exception>
    public static string Filled(string text, string root)
    {
        var filled = Marked().Replace(text, m => $"{m.Groups["begin"].Value}\n{Table(m.Groups["what"].Value, root)}{End}");
        return Beginning().Count(text) == Marked().Count(text) ? filled
            : throw new FormatException($"a table of speed has no end; write {End} below it");
    }

    private static string Table(string what, string root)
    {
        var words = what.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        if (words is [var kind, _, ..] && SpeedTables.Kinds.TryGetValue(kind, out var make))
        {
            string[] files = [.. words[1..].Select(f => Path.Combine(root, f))];
            return files.All(File.Exists) ? make(files) : NotYet;
        }
        var kinds = string.Join(", ", SpeedTables.Kinds.Keys);
        throw new FormatException($"'{what}' is no table of speed; write one of {kinds}, and then its files");
    }

    [GeneratedRegex(@"(?<begin><!-- speed: (?<what>[^>]*?) -->)\n(?:(?!<!-- speed:).)*?<!-- /speed -->", RegexOptions.Singleline)]
    private static partial Regex Marked();

    [GeneratedRegex("<!-- speed:")]
    private static partial Regex Beginning();
}
