using System.CommandLine;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>What <c>--help</c> of a verb prints, in its parts.</summary>
/// <param name="Verb">Such as <c>sae check</c>; empty for the program itself.</param>
/// <param name="Sections">By their titles: Description, Usage, Arguments, Options, Commands and whatever groups there are; lines without
/// their common indentation.</param>
internal sealed partial record HelpText(string Verb, IReadOnlyList<(string Title, IReadOnlyList<string> Lines)> Sections)
{
    public static HelpText Of(string verb)
    {
        var printed = Cli.Verb.Run([.. verb.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]).Done().Output
            // the program is the tests' here, in somebody's home
            .Replace(RootCommand.ExecutableName, "onnx-attribution", StringComparison.Ordinal)
            .Replace(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "~");
        var sections = new List<(string, IReadOnlyList<string>)>();
        var (title, lines) = ("", new List<string>());
        foreach (var line in printed.ReplaceLineEndings("\n").Split('\n').Append("End:"))
        {
            if (!Title().IsMatch(line))
            {
                lines.Add(line.Length > 2 ? line[2..].TrimEnd() : "");
                continue;
            }
            if (title.Length > 0) sections.Add((title, Trimmed(lines)));
            (title, lines) = (line[..^1], []);
        }
        return new HelpText(verb, sections);
    }

    public IReadOnlyList<string> Section(string title) => Sections.FirstOrDefault(s => s.Title == title).Lines ?? [];

    /// <summary>The rows of a section of two columns: a name, and what it means, which may go on in further lines.</summary>
    public static IEnumerable<(string Name, IReadOnlyList<string> Meaning)> Rows(IReadOnlyList<string> lines)
    {
        var rows = new List<(string, List<string>)>();
        foreach (var line in lines)
        {
            var row = Row().Match(line);
            if (row.Success) rows.Add((row.Groups[1].Value, [row.Groups[2].Value]));
            else if (rows.Count > 0) rows[^1].Item2.Add(line.Trim());
        }
        return rows.Select(r => (r.Item1, (IReadOnlyList<string>)r.Item2));
    }

    private static List<string> Trimmed(List<string> lines) =>
        [.. lines.SkipWhile(l => l.Length == 0).Reverse().SkipWhile(l => l.Length == 0).Reverse()];

    [GeneratedRegex("^[A-Z][A-Za-z ,]*:$")]
    private static partial Regex Title();

    // a name holds single spaces only
    [GeneratedRegex(@"^(\S+(?: \S+)*)(?: {2,}(.*))?$")]
    private static partial Regex Row();
}
