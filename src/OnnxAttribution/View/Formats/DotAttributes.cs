using System.Globalization;
using System.Text;

namespace OnnxAttribution.View.Formats;

/// <summary>Names and values of a DOT node or edge. What is no number (NaN) is left out.</summary>
internal sealed class DotAttributes
{
    private readonly List<string> _pairs = [];

    public DotAttributes Add(string name, string value)
    {
        _pairs.Add($"{name}={Quoted(value)}");
        return this;
    }

    public DotAttributes Add(string name, int value)
    {
        _pairs.Add(string.Create(CultureInfo.InvariantCulture, $"{name}={value}"));
        return this;
    }

    /// <summary>The shortest text that brings the float back, in quotes, since DOT has no exponents.</summary>
    public DotAttributes Add(string name, float value)
    {
        if (!float.IsNaN(value)) _pairs.Add($"{name}=\"{value.ToString("R", CultureInfo.InvariantCulture)}\"");
        return this;
    }

    public override string ToString() => string.Join(", ", _pairs);

    /// <summary>Any text as a quoted string of DOT.</summary>
    public static string Quoted(string text)
    {
        var result = new StringBuilder(text.Length + 8).Append('"');
        foreach (var rune in text.EnumerateRunes())   // half a surrogate pair comes as U+FFFD
        {
            switch (rune.Value)
            {
                case '"': result.Append("\\\""); break;
                case '\\': result.Append("\\\\"); break;
                case '\n': result.Append("\\n"); break;
                case '\t': result.Append('\t'); break;
                case < 0x20: result.Append((char)(0x2400 + rune.Value)); break;
                default: result.Append(rune.ToString()); break;
            }
        }
        return result.Append('"').ToString();
    }
}
