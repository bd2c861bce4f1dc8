using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Cli.Options;

/// <summary>What completes a command line at the cursor. The scripts of <c>completion</c> ask for it:
/// <c>[suggest:POSITION] LINE</c>, without the program's name in the line.</summary>
internal static partial class Suggestions
{
    /// <returns>null where something else is asked for. For a word such as <c>--metric=lo</c> whole words: <c>--metric=logit</c>.</returns>
    public static IEnumerable<string>? Of(RootCommand root, ParserConfiguration parser, string[] args)
    {
        if (args is not [var first, ..] || Asked().Match(first) is not { Success: true } asked) return null;
        var line = args.ElementAtOrDefault(1) ?? "";
        var cursor = int.TryParse(asked.Groups["position"].Value, CultureInfo.InvariantCulture, out var at) ? Math.Min(at, line.Length)
            : line.Length;
        var typed = line[..cursor];
        var lead = "";
        if (WithValue().Match(typed) is { Success: true } word)
        {
            lead = word.Value[..(word.Groups["name"].Length + 1)];
            typed = typed[..word.Index] + lead[..^1] + " " + word.Groups["value"].Value;
        }
        return root.Parse(typed, parser).GetCompletions(typed.Length).Select(c => lead + (c.InsertText ?? c.Label)).Distinct();
    }

    [GeneratedRegex(@"^\[suggest(:(?<position>\d+))?\]$")]
    private static partial Regex Asked();

    // the last word
    [GeneratedRegex(@"(?<name>(?<!\S)--[a-z][a-z-]*)=(?<value>\S*)$")]
    private static partial Regex WithValue();
}
