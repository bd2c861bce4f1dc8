using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Texts;

/// <summary>A text as sequences of tokens, each of one document and as long as the model's
/// context allows. Can be resumed from a saved place.</summary>
/// <param name="most">Tokens of one sequence, BOS apart.</param>
/// <param name="limit">Tokens in all.</param>
/// <param name="vocabulary">Ids that the model knows.</param>
internal sealed class TokenSequences(TextChunks chunks, Tokenizer tokenizer, int most, long limit, int vocabulary)
{
    private readonly List<int> _tokens = [];   // of the document, not yet handed out
    private int _first;
    private bool _documentEnds = true;

    /// <summary>Tokens handed out.</summary>
    public long Tokens { get; private set; }

    /// <summary>Sequences handed out.</summary>
    public long Count { get; private set; }

    /// <summary>Documents of which a token was handed out.</summary>
    public long Documents { get; private set; }

    private bool _isCounted;

    /// <summary>The next sequence, without BOS; null: the text has ended, or the limit is reached.</summary>
    /// <exception cref="TextException">The file is damaged or no text, or a token is none of the model's.</exception>
    public int[]? Next()
    {
        while (Tokens < limit)
        {
            while (!_documentEnds && _tokens.Count - _first < most) Read();
            if (_tokens.Count == _first)
            {
                _isCounted = false;
                if (!Read()) return null;
                continue;
            }
            var count = (int)Math.Min(Math.Min(most, _tokens.Count - _first), limit - Tokens);
            var sequence = _tokens.GetRange(_first, count).ToArray();
            if (!_isCounted) Documents++;
            (_isCounted, _first, Tokens, Count) = (true, _first + count, Tokens + count, Count + 1);
            return sequence;
        }
        return null;
    }

    /// <summary>The place that has been reached, in numbers.</summary>
    public long[] Save() =>
        [chunks.Count, Tokens, Count, Documents, _isCounted ? 1 : 0, _documentEnds ? 1 : 0, .. _tokens.Skip(_first).Select(t => (long)t)];

    /// <summary>Goes to a saved place; what lies before is read, but not tokenized.</summary>
    public void GoTo(ReadOnlySpan<long> saved)
    {
        while (chunks.Count < saved[0] && chunks.Next() is not null) { }
        (Tokens, Count, Documents, _isCounted, _documentEnds) = (saved[1], saved[2], saved[3], saved[4] != 0, saved[5] != 0);
        _tokens.Clear();
        foreach (var t in saved[6..]) _tokens.Add((int)t);
        _first = 0;
    }

    private bool Read()
    {
        if (chunks.Next() is not { } chunk)
        {
            _documentEnds = true;
            return false;
        }
        _tokens.RemoveRange(0, _first);
        _first = 0;
        foreach (var t in tokenizer.Encode(chunk.Text, continues: !_documentEnds))
        {
            if (t >= vocabulary)
            {
                throw new TextException(
                    $"the text has token {t}, the model's vocabulary ends at {vocabulary - 1}; the bundle's tokenizer is another model's");
            }
            _tokens.Add(t);
        }
        _documentEnds = chunk.EndsDocument;
        return true;
    }
}
