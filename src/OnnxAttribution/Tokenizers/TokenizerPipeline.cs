namespace OnnxAttribution.Tokenizers;

// As Hugging Face's tokenizers do it:
// 1. added tokens are cut out of the text, those first that are looked for as they stand;
// 2. what is between is normalized, and the other added tokens are cut out of that;
// 3. what is left is cut into pieces;
// 4. and each piece is merged.

/// <summary>What a tokenizer.json makes of a text. Safe for use by several threads.</summary>
internal sealed class TokenizerPipeline
{
    private readonly AddedTokenFinder? _plain;
    private readonly AddedTokenFinder? _normalized;
    private readonly BytePairMerges _merges;

    public TokenizerPipeline(BytePairVocabulary vocabulary, IReadOnlyList<AddedToken> added, IReadOnlyList<Normalizer> normalizers,
        IReadOnlyList<PreTokenizer> preTokenizers)
    {
        (Vocabulary, Added, Normalizers, PreTokenizers) = (vocabulary, added, normalizers, preTokenizers);
        _merges = new(vocabulary);
        _plain = Finder([.. added.Where(t => !t.IsNormalized)]);
        _normalized =
            Finder([.. added.Where(t => t.IsNormalized).Select(t => t with { Content = Normalized(t.Content, PieceStart.Text) })]);
    }

    public BytePairVocabulary Vocabulary { get; }

    /// <summary>The tokens that are found in the text as they stand.</summary>
    public IReadOnlyList<AddedToken> Added { get; }

    public IReadOnlyList<Normalizer> Normalizers { get; }

    public IReadOnlyList<PreTokenizer> PreTokenizers { get; }

    /// <summary>The same with these added tokens.</summary>
    public TokenizerPipeline With(IReadOnlyList<AddedToken> added) =>
        added.Count == Added.Count ? this : new(Vocabulary, added, Normalizers, PreTokenizers);

    /// <summary>The ids of a text.</summary>
    /// <param name="continues">It goes on with a text that was tokenized before: no space is written before its first word.</param>
    public void Encode(string text, bool continues, List<int> ids)
    {
        foreach (var (start, end, id) in Split(_plain, text))
        {
            if (id is { } plain)
            {
                ids.Add(plain);
                continue;
            }
            var where = start > 0 ? PieceStart.Inner : continues ? PieceStart.Continuation : PieceStart.Text;
            var normalized = Normalized(text[start..end], where);
            foreach (var (from, to, normalizedId) in Split(_normalized, normalized))
            {
                if (normalizedId is { } found) ids.Add(found);
                else EncodePart(normalized, from, to, from > 0 ? PieceStart.Inner : where, ids);
            }
        }
    }

    private void EncodePart(string text, int from, int to, PieceStart start, List<int> ids)
    {
        List<ReadOnlyMemory<char>> pieces = [text.AsMemory(from, to - from)];
        foreach (var cut in PreTokenizers)
        {
            var next = new List<ReadOnlyMemory<char>>(pieces.Count);
            for (var i = 0; i < pieces.Count; i++) cut(pieces[i], i > 0 ? PieceStart.Inner : start, next);
            pieces = next;
        }
        foreach (var piece in pieces) _merges.Encode(piece.Span, ids);
    }

    private string Normalized(string text, PieceStart start)
    {
        foreach (var normalizer in Normalizers)
        {
            if (text.Length > 0) text = normalizer(text, start);
        }
        return text;
    }

    private static AddedTokenFinder? Finder(AddedToken[] tokens) =>
        tokens.Where(t => t.Content.Length > 0).ToArray() is { Length: > 0 } some ? new(some) : null;

    private static IEnumerable<(int Start, int End, int? Id)> Split(AddedTokenFinder? finder, string text) =>
        finder is not null ? finder.Split(text) : text.Length > 0 ? [(0, text.Length, null)] : [];
}
