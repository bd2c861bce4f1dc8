using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Texts;

/// <summary>
/// A text in pieces that can be tokenized one by one, with the tokens that the whole would have.
/// 1. Documents are separated by lines that hold <c>&lt;|endoftext|&gt;</c>, or the token by which the model ends a text, and nothing else;
///    the line ends around the line belong to neither.
/// 2. Within a document a piece ends where the tokenizer may be interrupted, before a space or the end of a line.
/// </summary>
internal sealed class TextChunks(TextFileReader text, Tokenizer tokenizer, int size = 1 << 16)
{
    private readonly string[] _separators = tokenizer.EndOfText is { } end
        ? [.. new[] { Gpt2Vocabulary.EndOfTextToken, tokenizer.TokenText(end) }.Distinct()]
        : [Gpt2Vocabulary.EndOfTextToken];

    /// <summary>What cannot be interrupted is cut here after all: it would have to be held at once.</summary>
    private const int Longest = 1 << 20;

    private char[] _buffer = new char[Math.Max(size, 64)];
    private int _length;
    private bool _ended;
    private bool _atLineStart = true;   // of the buffer's first character

    /// <summary>Pieces handed out or passed over.</summary>
    public long Count { get; private set; }

    /// <summary>The next piece, and whether it is its document's last; a piece may be empty. Null: the text has ended.</summary>
    /// <exception cref="TextException">The file is damaged or no text.</exception>
    public (string Text, bool EndsDocument)? Next()
    {
        Fill();
        if (_length == 0) return null;
        Count++;
        if (SeparatorAt() is { } at) return (Taken(WithoutLineEnd(at.Start), PastLine(at.End)), true);
        if (_ended) return (Taken(_length, _length), true);
        int cut;
        while ((cut = Cut()) == 0)
        {
            if (_length < _buffer.Length) return (Taken(_length, _length), true);     // the text ended meanwhile
            if (_length >= Longest)
            {
                cut = char.IsHighSurrogate(_buffer[_length - 1]) ? _length - 1 : _length;
                break;
            }
            Array.Resize(ref _buffer, 2 * _buffer.Length);
            Fill();
            if (SeparatorAt() is { } found) return (Taken(WithoutLineEnd(found.Start), PastLine(found.End)), true);
        }
        return (Taken(cut, cut), false);
    }

    private void Fill()
    {
        while (!_ended && _length < _buffer.Length)
        {
            var n = text.Read(_buffer.AsSpan(_length));
            _ended = n == 0;
            _length += n;
        }
    }

    // a separator at the very end of a full buffer may go on: it is looked at again when more is there
    private (int Start, int End)? SeparatorAt()
    {
        (int Start, int End)? first = null;
        foreach (var separator in _separators)
        {
            if (SeparatorAt(separator) is { } found && (first is null || found.Start < first.Value.Start)) first = found;
        }
        return first;
    }

    private (int Start, int End)? SeparatorAt(string separator)
    {
        var span = _buffer.AsSpan(0, _length);
        for (var from = 0; span[from..].IndexOf(separator) is var i and >= 0; from += i + separator.Length)
        {
            var (at, end) = (from + i, from + i + separator.Length);
            var isBehindLine = at == 0 ? _atLineStart : span[at - 1] == '\n';
            var endsLine = end == _length
                ? _ended
                : span[end] == '\n' || (span[end] == '\r' && (end + 1 == _length ? _ended : span[end + 1] == '\n'));
            if (isBehindLine && endsLine) return (at, end);
        }
        return null;
    }

    private int WithoutLineEnd(int at)
    {
        if (at > 0 && _buffer[at - 1] == '\n') at--;
        return at > 0 && _buffer[at - 1] == '\r' ? at - 1 : at;
    }

    private int PastLine(int end)
    {
        if (end < _length && _buffer[end] == '\r') end++;
        return end < _length ? end + 1 : end;
    }

    // the last place where the tokenizer may be interrupted; 0: there is none
    private int Cut()
    {
        for (var i = _length - 1; i > 0; i--)
        {
            if (_buffer[i] is ' ' or '\n' && tokenizer.MayCut(_buffer[i - 1], _buffer[i])) return i;
        }
        return 0;
    }

    private string Taken(int length, int through)
    {
        var taken = _buffer.AsSpan(0, length).ToString();
        _atLineStart = through > 0 && _buffer[through - 1] == '\n';
        _buffer.AsSpan(through, _length - through).CopyTo(_buffer);
        _length -= through;
        return taken;
    }
}
