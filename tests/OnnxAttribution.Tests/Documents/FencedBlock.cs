using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>A fenced block of a document, with the remark that stands in a comment on the line before it.</summary>
/// <param name="Language">What follows the opening fence: <c>sh</c>, <c>console</c>, <c>csharp</c>, …; empty for none.</param>
/// <param name="FirstLine">Of <paramref name="Lines"/>, counted from 1.</param>
/// <param name="Remark">Such as <c>not run: needs the internet</c>; null without one.</param>
internal sealed partial record FencedBlock(string Language, int FirstLine, IReadOnlyList<string> Lines, string? Remark)
{
    private const string NotRun = "not run:";

    /// <summary>Why the block's commands are not run; null where they are.</summary>
    public string? ReasonNotRun => Remark?.StartsWith(NotRun, StringComparison.Ordinal) == true ? Remark[NotRun.Length..].Trim() : null;

    public static IReadOnlyList<FencedBlock> Of(string[] lines)
    {
        var blocks = new List<FencedBlock>();
        for (var i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith("```", StringComparison.Ordinal)) continue;
            var end = Array.IndexOf(lines, "```", i + 1);
            if (end < 0) throw new InvalidDataException($"the fence in line {i + 1} is not closed");
            var remark = i > 0 ? Comment().Match(lines[i - 1]) : Match.Empty;
            blocks.Add(new FencedBlock(lines[i][3..].Trim(), i + 2, lines[(i + 1)..end], remark.Success ? remark.Groups[1].Value : null));
            i = end;
        }
        return blocks;
    }

    [GeneratedRegex("^<!-- (.*) -->$")]
    private static partial Regex Comment();
}
