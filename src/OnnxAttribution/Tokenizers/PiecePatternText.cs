using System.Globalization;
using System.Text;

namespace OnnxAttribution.Tokenizers;

/// <summary>A pattern of Oniguruma (Ruby's syntax), as Hugging Face's tokenizers have them, in .NET's spelling.</summary>
internal sealed class PiecePatternText
{
    private static readonly string[] s_categories =
        ["L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
            "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co", "Cn"];

    private static readonly string[] s_groups = ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"];

    private readonly string _given;
    private readonly StringBuilder _text = new();
    private readonly Stack<(int At, bool IgnoresCase)> _groups = [];
    private int _at;
    private int _atom = -1;   // where in _text the last atom begins; -1: there is none that could be repeated
    private bool _ignoresCase;

    private PiecePatternText(string given) => _given = given;

    /// <exception cref="FormatException">The pattern has what .NET would read differently, or is none.</exception>
    public static string Translate(string oniguruma) => new PiecePatternText(oniguruma).Translated();

    private string Translated()
    {
        while (_at < _given.Length)
        {
            var c = _given[_at];
            if (c == '(')
            {
                Open();
            }
            else if (c == ')')
            {
                Close();
            }
            else if (c == '|')
            {
                (_atom, _at) = (-1, Append("|"));
            }
            else if (c is '*' or '+' or '?' or '{')
            {
                Repeat();
            }
            else if (c is '^' or '$')
            {
                throw Unknown(c.ToString());
            }
            else if (c == '[')
            {
                Class();
            }
            else
            {
                _atom = _text.Length;
                if (c == '\\') Escape();
                else Literal(c);
            }
        }
        return _groups.Count == 0 ? _text.ToString() : throw new FormatException("a group is not closed");
    }

    private int Append(string text)
    {
        _text.Append(text);
        return _at + 1;
    }

    private void Open()
    {
        var group = s_groups.FirstOrDefault(g => _given.AsSpan(_at).StartsWith(g, StringComparison.Ordinal));
        if (group is null && _at + 1 < _given.Length && _given[_at + 1] == '?')
        {
            throw Unknown(_given[_at..Math.Min(_at + 4, _given.Length)]);
        }
        _groups.Push((_text.Length, _ignoresCase));
        _ignoresCase |= group == "(?i:";
        _text.Append(group is null or "(?i:" ? "(?:" : group);
        _at += group?.Length ?? 1;
        _atom = -1;
    }

    private void Close()
    {
        if (!_groups.TryPop(out var group)) throw new FormatException("a group is closed that was not opened");
        (_atom, _ignoresCase) = group;
        _at = Append(")");
    }

    private void Repeat()
    {
        if (_atom < 0) throw Unknown(_given[_at].ToString());
        var end = _at + 1;
        if (_given[_at] == '{')
        {
            end = _given.IndexOf('}', _at) + 1;
            var range = end > 0 ? _given[(_at + 1)..(end - 1)].Split(',') : [];
            if (range.Length is not (1 or 2) || !IsNumber(range[0]) || (range.Length == 2 && range[1].Length > 0 && !IsNumber(range[1]))
                || (range.Length == 1 && Peek(end) == '?'))
            {
                throw Unknown(_given[_at..Math.Max(end, _at + 1)]);
            }
        }
        _text.Append(_given, _at, end - _at);
        var isRange = _given[_at] == '{';
        _at = end;
        if (Peek(_at) == '?')
        {
            _at = Append("?");
        }
        else if (Peek(_at) == '+')
        {
            // possessive, but behind {m,n} one more repetition
            _text.Insert(_atom, isRange ? "(?:" : "(?>");
            _at = Append(isRange ? ")+" : ")");
        }
        if (Peek(_at) is '*' or '+' or '?' or '{') throw Unknown(_given[_at].ToString());
        _atom = -1;
    }

    private char Peek(int at) => at < _given.Length ? _given[at] : '\0';

    private static bool IsNumber(string text) => text.Length is > 0 and < 5 && text.All(char.IsAsciiDigit);

    private void Class()
    {
        _atom = _text.Length;
        if (_ignoresCase) throw Unknown("[ in (?i:");
        _at = Append("[");
        if (Peek(_at) == '^') _at = Append("^");
        if (Peek(_at) == ']') throw Unknown("[]");
        while (Peek(_at) != ']')
        {
            if (_at >= _given.Length) throw new FormatException("a class is not closed");
            var c = _given[_at];
            if (c == '[') throw Unknown("[ in [");
            if (c == '&' && Peek(_at + 1) == '&') throw Unknown("&&");
            if (c == '\\') Escape();
            else Plain(c);
        }
        _at = Append("]");
    }

    private void Literal(char c)
    {
        // Unicode folds the long s to s, and the sign of Kelvin to k
        if (_ignoresCase && char.IsAsciiLetter(c))
        {
            var third = c is 's' or 'S' ? @"\u017F" : c is 'k' or 'K' ? @"\u212A" : "";
            _at = Append($"[{char.ToLowerInvariant(c)}{char.ToUpperInvariant(c)}{third}]");
        }
        else if (_ignoresCase && !char.IsAscii(c))
        {
            throw Unknown($"{c} in (?i:");
        }
        else
        {
            Plain(c);
        }
    }

    private void Plain(char c) => _at = char.IsSurrogate(c) ? throw Unknown("a character beyond U+FFFF") : Append(c.ToString());

    private void Escape()
    {
        var c = Peek(_at + 1);
        if (c is 's' or 'S' or 'd' or 'D' or 'r' or 'n' or 't' or 'f' or 'v'
            || (char.IsAscii(c) && (char.IsPunctuation(c) || char.IsSymbol(c))) || c == ' ')
        {
            _text.Append('\\').Append(c);
            _at += 2;
        }
        else if (c is 'p' or 'P' && Peek(_at + 2) == '{' && _given.IndexOf('}', _at) is var end and > 0
            && s_categories.Contains(_given[(_at + 3)..end]))
        {
            _text.Append(_given, _at, end + 1 - _at);
            _at = end + 1;
        }
        else if (c == 'u' && Hex(_at + 2, 4) is { } four)
        {
            Code(four, 6);
        }
        else if (c == 'x' && Peek(_at + 2) == '{' && _given.IndexOf('}', _at) is var close and > 0
            && Hex(_at + 3, close - _at - 3) is { } any)
        {
            Code(any, close + 1 - _at);
        }
        else if (c == 'x' && Hex(_at + 2, 2) is { } two && two < 0x80)
        {
            Code(two, 4);
        }
        else
        {
            throw Unknown(_given[_at..Math.Min(_at + 12, _given.Length)]);
        }
    }

    private int? Hex(int at, int length) =>
        length is > 0 and < 7 && at + length <= _given.Length && int.TryParse(_given.AsSpan(at, length), NumberStyles.AllowHexSpecifier,
            CultureInfo.InvariantCulture, out var code) ? code : null;

    private void Code(int code, int length)
    {
        if (code > 0xFFFF || char.IsSurrogate((char)code)) throw Unknown("a character beyond U+FFFF");
        _text.Append(CultureInfo.InvariantCulture, $@"\u{code:X4}");
        _at += length;
    }

    private static FormatException Unknown(string what) => new($"'{what}' in it is not known here");
}
