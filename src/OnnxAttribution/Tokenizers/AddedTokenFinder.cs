using System.Buffers;
using System.Globalization;
using System.Text;

namespace OnnxAttribution.Tokenizers;

/// <summary>Finds added tokens in a text as Hugging Face's added_vocabulary.rs does:
/// the leftmost first, of several there the longest.</summary>
internal sealed class AddedTokenFinder
{
    private readonly SearchValues<string> _contents;
    private readonly Dictionary<char, AddedToken[]> _byFirst;   // the longest first

    /// <param name="tokens">None of them empty.</param>
    public AddedTokenFinder(IReadOnlyCollection<AddedToken> tokens)
    {
        _contents = SearchValues.Create([.. tokens.Select(t => t.Content)], StringComparison.Ordinal);
        _byFirst = tokens.GroupBy(t => t.Content[0]).ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Content.Length).ToArray());
    }

    /// <summary>The text's parts in order, none of them empty: added tokens, and what is between (id null).</summary>
    public IEnumerable<(int Start, int End, int? Id)> Split(string text)
    {
        var done = 0;
        for (var from = 0; Find(text, from) is var (at, token);)
        {
            var (start, end) = (at, at + token.Content.Length);
            from = end;
            if (token.SingleWord && (EndsWithWord(text.AsSpan(0, start)) || StartsWithWord(text.AsSpan(end)))) continue;
            if (token.StripsLeft)
            {
                while (start > done && char.IsWhiteSpace(text[start - 1])) start--;
            }
            if (token.StripsRight)
            {
                while (end < text.Length && char.IsWhiteSpace(text[end])) end++;
            }
            if (done < start) yield return (done, start, null);
            yield return (start, end, token.Id);
            done = end;
        }
        if (done < text.Length) yield return (done, text.Length, null);
    }

    private (int At, AddedToken Token)? Find(string text, int from)
    {
        var i = text.AsSpan(from).IndexOfAny(_contents);
        if (i < 0) return null;
        return (from + i, _byFirst[text[from + i]].First(t => text.AsSpan(from + i).StartsWith(t.Content, StringComparison.Ordinal)));
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWord(Rune rune) => Rune.IsLetter(rune) || rune.Value is 0x200C or 0x200D || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
