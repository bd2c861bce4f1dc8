using System.Globalization;
using System.Text;

namespace OnnxAttribution.View;

/// <summary>Any text as XML 1.0 may hold it, in elements and in attributes.</summary>
/// <remarks>What XML 1.0 cannot hold at all stays visible: control characters become their pictures (NUL is ␀), halves of
/// surrogate pairs and U+FFFE, U+FFFF become U+FFFD. Line ends are written as references, since a parser would make \n of a lone
/// \r, and a space of either within an attribute.</remarks>
internal static class XmlText
{
    private const int ControlPictures = 0x2400, Replacement = 0xFFFD;

    public static string Escape(string text)
    {
        var result = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '&': result.Append("&amp;"); break;
                case '<': result.Append("&lt;"); break;
                case '>': result.Append("&gt;"); break;
                case '"': result.Append("&quot;"); break;
                case '\t' or '\n' or '\r': result.Append(CultureInfo.InvariantCulture, $"&#{rune.Value};"); break;
                case < 0x20: result.Append((char)(ControlPictures + rune.Value)); break;
                case 0xFFFE or 0xFFFF: result.Append((char)Replacement); break;
                default: result.Append(rune.ToString()); break;
            }
        }
        return result.ToString();
    }
}
