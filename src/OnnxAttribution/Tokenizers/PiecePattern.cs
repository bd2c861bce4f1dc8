using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Tokenizers;

/// <summary>A pattern that cuts a text, over code points as Hugging Face's Oniguruma has it.</summary>
/// <remarks>.NET's patterns see UTF-16: a character beyond U+FFFF is given to them as one of the same general category below, which is
/// all that such a pattern can ask of it. Categories are those of .NET's Unicode (16 in
/// .NET 10) where Hugging Face has its own version's.</remarks>
internal sealed partial class PiecePattern
{
    /// <summary>The pattern of GPT-2, which a ByteLevel pre-tokenizer has built in.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Llama3 =
        @"(?:'[sS\u017F]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        + @" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen2 =
        @"(?:'[sS\u017F]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
        + @" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly Regex _regex;

    private PiecePattern(Regex regex) => _regex = regex;

    /// <param name="oniguruma">As tokenizer.json spells it.</param>
    /// <exception cref="FormatException">It has what .NET's patterns read differently; the message says what.</exception>
    public static PiecePattern Of(string oniguruma)
    {
        var text = PiecePatternText.Translate(oniguruma);
        try
        {
            return new(text switch
            {
                Gpt2 => Gpt2Regex(),
                Llama3 => Llama3Regex(),
                Qwen2 => Qwen2Regex(),
                _ => new Regex(text, RegexOptions.CultureInvariant),
            });
        }
        catch (RegexParseException e)
        {
            throw new FormatException($"it is no regular expression at character {e.Offset} "
                + $"({string.Concat(e.Error.ToString().Select(c => char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : $"{c}")).Trim()})",
                e);
        }
    }

    /// <summary>A pattern for a text and nothing else.</summary>
    public static PiecePattern Literal(string text) => new(new Regex(Regex.Escape(text), RegexOptions.CultureInvariant));

    /// <summary>The matches from left to right.</summary>
    public List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        var matches = new List<(int, int)>();
        if (!text.ContainsAnyInRange('\ud800', '\udfff'))
        {
            foreach (var match in _regex.EnumerateMatches(text)) matches.Add((match.Index, match.Index + match.Length));
            return matches;
        }
        var mapped = new char[text.Length];
        var offsets = new int[text.Length + 1];   // in text, of each mapped character
        var count = 0;
        for (var i = 0; i < text.Length; count++)
        {
            offsets[count] = i;
            var isWhole = Rune.DecodeFromUtf16(text[i..], out var rune, out var length) == OperationStatus.Done;
            mapped[count] = isWhole && rune.IsBmp ? text[i] : SameCategory(Rune.GetUnicodeCategory(rune));
            i += length;
        }
        offsets[count] = text.Length;
        foreach (var match in _regex.EnumerateMatches(mapped.AsSpan(0, count)))
        {
            matches.Add((offsets[match.Index], offsets[match.Index + match.Length]));
        }
        return matches;
    }

    /// <summary>The pieces of a text in order, none of them empty.</summary>
    public void Cut(ReadOnlyMemory<char> text, PieceCut cut, bool invert, List<ReadOnlyMemory<char>> into)
    {
        var parts = new List<(int Start, int End, bool IsMatch)>();
        var done = 0;
        foreach (var (start, end) in Matches(text.Span))
        {
            if (done < start) parts.Add((done, start, invert));
            if (start < end) parts.Add((start, end, !invert));
            done = end;
        }
        if (done < text.Length) parts.Add((done, text.Length, invert));
        for (var i = 0; i < parts.Count; i++)
        {
            var (start, end, isMatch) = parts[i];
            if (cut == PieceCut.Removed && isMatch) continue;
            while (i + 1 < parts.Count && Joins(cut, parts[i].IsMatch, parts[i + 1].IsMatch)) end = parts[++i].End;
            into.Add(text[start..end]);
        }
    }

    private static bool Joins(PieceCut cut, bool isMatch, bool isNextMatch) => cut switch
    {
        PieceCut.MergedWithPrevious => !isMatch && isNextMatch,
        PieceCut.MergedWithNext => isMatch && !isNextMatch,
        PieceCut.Contiguous => isMatch == isNextMatch,
        _ => false,
    };

    private static char SameCategory(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\ua680',
        UnicodeCategory.LowercaseLetter => '\ua681',
        UnicodeCategory.TitlecaseLetter => '\u1f88',
        UnicodeCategory.ModifierLetter => '\u02ee',
        UnicodeCategory.OtherLetter => '\ua015',
        UnicodeCategory.NonSpacingMark => '\ua66f',
        UnicodeCategory.SpacingCombiningMark => '\ua823',
        UnicodeCategory.EnclosingMark => '\ua670',
        UnicodeCategory.DecimalDigitNumber => '\ua8d0',
        UnicodeCategory.LetterNumber => '\ua6e6',
        UnicodeCategory.OtherNumber => '\ua830',
        UnicodeCategory.ConnectorPunctuation => '\ufe4d',
        UnicodeCategory.DashPunctuation => '\u2e3a',
        UnicodeCategory.OpenPunctuation => '\u2e28',
        UnicodeCategory.ClosePunctuation => '\u2e29',
        UnicodeCategory.InitialQuotePunctuation => '\u2e02',
        UnicodeCategory.FinalQuotePunctuation => '\u2e03',
        UnicodeCategory.OtherPunctuation => '\ua673',
        UnicodeCategory.MathSymbol => '\u2a00',
        UnicodeCategory.CurrencySymbol => '\ua838',
        UnicodeCategory.ModifierSymbol => '\ua700',
        UnicodeCategory.OtherSymbol => '\ua490',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\ue000',
        UnicodeCategory.Surrogate => '\ufffd',   // alone: it is encoded as U+FFFD
        _ => '\u0378',   // not assigned
    };

    [GeneratedRegex(Gpt2)]
    private static partial Regex Gpt2Regex();

    [GeneratedRegex(Llama3)]
    private static partial Regex Llama3Regex();

    [GeneratedRegex(Qwen2)]
    private static partial Regex Qwen2Regex();
}
