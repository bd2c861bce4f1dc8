using System.Globalization;
using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.View;

/// <summary>Token texts as they are drawn: on one line, with spaces and line ends to be seen, and not longer than there is room.</summary>
internal static class TokenLabel
{
    // a guess at a sans-serif font, in font sizes; wide scripts and emoji fill a square
    private const double NarrowCharacter = 0.56, WideCharacter = 1.05;
    private const int FirstWide = 0x1100;

    /// <summary>A token to be read by people: ␣ for a space at either end, ⏎ for a line end,
    /// ↵ for a carriage return, ⇥ for a tab, □ for other control characters and for what would turn the text around. (Unicode's pictures of
    /// control characters are in few fonts.)</summary>
    /// <param name="most">Characters; a longer text ends in …</param>
    public static string Of(string token, int most = 24)
    {
        var runes = token.EnumerateRunes().Select(Visible).ToList();
        if (runes.Count == 0) return "''";
        var (first, last) = (runes.FindIndex(r => r.Value != ' '), runes.FindLastIndex(r => r.Value != ' '));
        for (var i = 0; i < runes.Count; i++)
        {
            if (i < first || i > last) runes[i] = new Rune('␣');
        }
        return Cut(runes, most);
    }

    /// <summary>Any text on one line, cut to a width.</summary>
    /// <param name="size">Font size, in the width's unit.</param>
    public static string Fit(string text, double width, double size)
    {
        if (Width(text, size) <= width) return Line(text);
        var (runes, room) = (new List<Rune>(), width - (NarrowCharacter * size));
        foreach (var rune in Line(text).EnumerateRunes())
        {
            room -= Width(rune) * size;
            if (room < 0) break;
            runes.Add(rune);
        }
        return string.Concat(runes) + "…";
    }

    /// <summary>The same, but it is the beginning that is cut: of a prompt the end matters.</summary>
    /// <inheritdoc cref="Fit" path="/param"/>
    public static string FitEnd(string text, double width, double size)
    {
        if (Width(text, size) <= width) return Line(text);
        var (runes, room) = (new List<Rune>(), width - (NarrowCharacter * size));
        foreach (var rune in Line(text).EnumerateRunes().Reverse())
        {
            room -= Width(rune) * size;
            if (room < 0) break;
            runes.Add(rune);
        }
        return "…" + string.Concat(runes.AsEnumerable().Reverse());
    }

    /// <summary>The largest font size, between two, at which a text has room.</summary>
    public static double FittingSize(string text, double width, double least, double most) =>
        Math.Clamp(width / Width(text, 1), least, most);

    /// <summary>About how wide a text is drawn.</summary>
    public static double Width(string text, double size) => text.EnumerateRunes().Sum(Width) * size;

    private static double Width(Rune rune) =>
        rune.Value < FirstWide || rune.Value is >= 0x2000 and < 0x2E80 ? NarrowCharacter : WideCharacter;

    /// <summary>Any text on one line.</summary>
    public static string Line(string text) => string.Concat(text.EnumerateRunes().Select(Visible));

    private static string Cut(List<Rune> runes, int most) =>
        runes.Count <= most ? string.Concat(runes) : string.Concat(runes.Take(most - 1)) + "…";

    private static Rune Visible(Rune rune) => rune.Value switch
    {
        '\n' or 0x85 or 0x2028 or 0x2029 => new Rune('⏎'),
        '\t' => new Rune('⇥'),
        '\r' => new Rune('↵'),
        _ => Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.SpaceSeparator => new Rune(' '),
            _ => DisplayText.IsHidden(rune) ? new Rune('□') : rune,
        },
    };
}
