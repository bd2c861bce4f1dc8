using System.Text;

namespace OnnxAttribution.Store;

/// <summary>Numbers the texts of a column, of which the same few come millions of times.</summary>
internal sealed class TextNumbers
{
    private const int MostShort = 256;

    private readonly Dictionary<string, int> _numbers = [];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly List<string> _texts = [];
    private byte[] _last = [];
    private (int Length, int Number) _was = (-1, 0);

    public TextNumbers() => _lookup = _numbers.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Texts by their numbers, in the order in which they were seen first.</summary>
    public IReadOnlyList<string> Texts => _texts;

    /// <summary>A text's number, from 0.</summary>
    public int Of(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length == _was.Length && utf8.SequenceEqual(_last.AsSpan(0, _was.Length))) return _was.Number;
        Span<char> chars = stackalloc char[MostShort];
        if (utf8.Length > MostShort) chars = new char[utf8.Length];
        var number = Of(chars[..Encoding.UTF8.GetChars(utf8, chars)]);
        if (_last.Length < utf8.Length) _last = new byte[2 * utf8.Length];
        utf8.CopyTo(_last);
        _was = (utf8.Length, number);
        return number;
    }

    /// <inheritdoc cref="Of(ReadOnlySpan{byte})"/>
    public int Of(ReadOnlySpan<char> text)
    {
        if (_lookup.TryGetValue(text, out var number)) return number;
        number = _texts.Count;
        _texts.Add(text.ToString());
        _numbers[_texts[^1]] = number;
        return number;
    }
}
