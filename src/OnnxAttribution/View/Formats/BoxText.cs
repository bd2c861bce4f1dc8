using System.Text;
using OnnxAttribution.Print;

namespace OnnxAttribution.View.Formats;

/// <summary>Texts as wide as prints draw them, so that boxes fit what is in them; an SVG says the width beside the text, for other fonts.
/// </summary>
internal static class BoxText
{
    public static double Width(string text, double size, bool bold = false) => PrintFonts.Width(text, size, bold);

    /// <summary>Cut to a width, with … at the end where it is.</summary>
    public static string Fit(string text, double width, double size, bool bold = false)
    {
        if (Width(text, size, bold) <= width) return text;
        var (result, room) = (new StringBuilder(), width - Width("…", size, bold));
        foreach (var rune in text.EnumerateRunes())
        {
            room -= Width(rune.ToString(), size, bold);
            if (room < 0) break;
            result.Append(rune.ToString());
        }
        return result + "…";
    }

    /// <summary>The width that items have at most, so that all fit side by side: short ones keep theirs.</summary>
    public static double Cap(IReadOnlyList<double> widths, double room)
    {
        var (rest, left) = (room, widths.Count);
        foreach (var width in widths.Order())
        {
            if (width > rest / left) return rest / left;
            (rest, left) = (rest - width, left - 1);
        }
        return double.PositiveInfinity;
    }

    /// <summary>The stretch of items around one that fits a width, a little more of what comes before it.</summary>
    /// <returns>The first, and how many.</returns>
    public static (int First, int Count) Around(IReadOnlyList<double> widths, int peak, double room)
    {
        var (first, end, left) = (peak, peak + 1, room - widths[peak]);
        bool before = true, after = true;
        while (before || after)
        {
            for (var i = 0; i < 2 && before; i++)
            {
                before = first > 0 && widths[first - 1] <= left;
                if (before) left -= widths[--first];
            }
            after = after && end < widths.Count && widths[end] <= left;
            if (after) left -= widths[end++];
        }
        return (first, end - first);
    }
}
