using System.Text;

namespace OnnxAttribution.Tokenizers;

/// <summary>The tokens and merges of a BPE model, and how it spells bytes and spaces.</summary>
internal sealed class BytePairVocabulary
{
    /// <summary>The sign for a space in SentencePiece's vocabularies.</summary>
    public const char SpaceSign = '\u2581';

    private readonly Dictionary<Rune, int> _runes = [];
    private readonly int[] _bytes = new int[256];   // −1: has no token

    /// <param name="ids">Of the model's tokens, as the file spells them.</param>
    /// <param name="isByteLevel">Tokens are spelled in GPT-2's byte symbols.</param>
    /// <param name="hasByteTokens">Characters without a token are written as <c>&lt;0x0A&gt;</c>, byte by byte.</param>
    public BytePairVocabulary(Dictionary<string, int> ids, bool isByteLevel, bool hasByteTokens)
    {
        (Ids, IsByteLevel, HasByteTokens) = (ids, isByteLevel, hasByteTokens);
        foreach (var (token, id) in ids)
        {
            if (Rune.TryGetRuneAt(token, 0, out var rune) && rune.Utf16SequenceLength == token.Length) _runes[rune] = id;
        }
        for (var b = 0; b < 256; b++)
        {
            _bytes[b] = ids.GetValueOrDefault(isByteLevel ? ByteSymbols.Of((byte)b).ToString() : ByteToken(b), -1);
        }
    }

    public Dictionary<string, int> Ids { get; }

    public bool IsByteLevel { get; }

    public bool HasByteTokens { get; }

    /// <summary>By the ids of two neighbours: the order of their merge, lowest first, and the id of what they become.</summary>
    public required Dictionary<(int Left, int Right), (int Rank, int Id)> Merges { get; init; }

    /// <summary>The token of what has none; null: it is left out.</summary>
    public int? Unknown { get; init; }

    /// <summary>Neighbouring unknown characters are one token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>A piece that is a token is that token, whatever its merges would make of it.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>No merge leads over a place where a space sign follows another character:
    /// what stands between such places can be merged by itself.</summary>
    public bool CutsAtSpaces { get; init; }

    /// <summary>The end of a line is a token of its own, and no merge has to do with it.</summary>
    public bool CutsAtLines { get; init; }

    /// <summary>The token of a byte; −1: there is none.</summary>
    public int OfByte(byte value) => _bytes[value];

    /// <summary>The token of one character.</summary>
    public bool TryGet(Rune rune, out int id) => _runes.TryGetValue(rune, out id);

    /// <summary>The bytes that one of the model's tokens stands for.</summary>
    public byte[] Bytes(string token)
    {
        if (IsByteLevel) return ByteSymbols.Bytes(token) ?? Encoding.UTF8.GetBytes(token);
        if (HasByteTokens && token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var value))
        {
            return [value];
        }
        return Encoding.UTF8.GetBytes(token.Replace(SpaceSign, ' '));
    }

    /// <summary>Whether all merges stay within words, see <see cref="CutsAtSpaces"/>.</summary>
    public static bool StaysWithinWords(IEnumerable<string> merged) => merged.All(token =>
    {
        var word = token.AsSpan().IndexOfAnyExcept(SpaceSign);
        return word < 0 || !token.AsSpan(word).Contains(SpaceSign);
    });

    private static string ByteToken(int value) => $"<0x{value:X2}>";
}
