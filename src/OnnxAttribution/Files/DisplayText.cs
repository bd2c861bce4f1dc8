using System.Globalization;
using System.Text;

namespace OnnxAttribution.Files;

/// <summary>Words out of files (tokens, prompts, names, other programs' messages) as people may be shown them:
/// nothing in them steers a terminal, turns a line around or hides.</summary>
/// <remarks>Escaped are control characters, format characters (bidirectional controls, the byte order mark, tags), line and paragraph
/// separators, halves of surrogate pairs and noncharacters, as <c>\u202E</c>, in UTF-16, so that JSON that is escaped stays the same JSON.
/// The joiners U+200C and U+200D stay: scripts and emoji need them, and they only shape their neighbours.</remarks>
internal static class DisplayText
{
    private const int MostOfName = 80;
    private const char NonJoiner = '\u200C', Joiner = '\u200D';

    /// <summary>On one line: line ends and tabs are escaped too, as <c>\n</c>, <c>\r</c> and <c>\t</c>.</summary>
    public static string OneLine(string text) => Escaped(text, keepLines: false);

    /// <summary>Over several lines where the text has line ends; a lone carriage return, which would write over a line, is none.</summary>
    public static string Lines(string text) => Escaped(text, keepLines: true);

    /// <summary>In quotes, on one line.</summary>
    public static string Quoted(string text) => $"'{OneLine(text)}'";

    /// <summary>In quotes, on one line, with … for what is more than so many characters.</summary>
    public static string QuotedStart(string text, int most) => $"'{Cut(OneLine(text), most)}'";

    /// <summary>A name, as a message about a file has it: in quotes, on one line, and not longer than a line can bear.</summary>
    public static string QuotedName(string name) => QuotedStart(name, MostOfName);

    /// <summary>Whether a character is not to be shown as it is.</summary>
    public static bool IsHidden(Rune rune) => rune.Value switch
    {
        >= 0x20 and < 0x7F or NonJoiner or Joiner => false,
        >= 0xFDD0 and <= 0xFDEF => true,
        _ => (rune.Value & 0xFFFE) == 0xFFFE || Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator,
    };

    private static string Escaped(string text, bool keepLines)
    {
        var at = NextHidden(text, 0, keepLines);
        if (at == text.Length) return text;
        var shown = new StringBuilder(text.Length + 16);
        for (var from = 0; ; at = NextHidden(text, from, keepLines))
        {
            shown.Append(text, from, at - from);
            if (at == text.Length) return shown.ToString();
            from = at + (char.IsSurrogatePair(text, at) ? 2 : 1);
            for (; at < from; at++) Append(shown, text[at]);
        }
    }

    private static int NextHidden(string text, int at, bool keepLines)
    {
        while (at < text.Length)
        {
            if (text[at] is >= ' ' and < '\x7F' || (keepLines && KeepsLine(text, at)))
            {
                at++;
                continue;
            }
            if (!Rune.TryGetRuneAt(text, at, out var rune) || IsHidden(rune)) return at;
            at += rune.Utf16SequenceLength;
        }
        return at;
    }

    private static bool KeepsLine(string text, int at) =>
        text[at] is '\n' or '\t' || (text[at] == '\r' && at + 1 < text.Length && text[at + 1] == '\n');

    private static void Append(StringBuilder shown, char c)
    {
        switch (c)
        {
            case '\n': shown.Append("\\n"); break;
            case '\r': shown.Append("\\r"); break;
            case '\t': shown.Append("\\t"); break;
            default: shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"); break;
        }
    }

    private static string Cut(string shown, int most) =>
        shown.Length <= most ? shown : shown[..(most - (char.IsHighSurrogate(shown[most - 1]) ? 1 : 0))] + "…";
}
