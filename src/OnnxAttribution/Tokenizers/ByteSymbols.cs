using System.Collections.Frozen;

namespace OnnxAttribution.Tokenizers;

/// <summary>GPT-2's alphabet: each of the 256 bytes as one visible character.
/// Printable Latin-1 stands for itself, the others, in order, are U+0100 and up; so <c>Ġ</c> is the space.</summary>
internal static class ByteSymbols
{
    private static readonly char[] s_symbols = Make();
    private static readonly FrozenDictionary<char, byte> s_bytes = Enumerable.Range(0, 256)
        .ToFrozenDictionary(b => s_symbols[b], b => (byte)b);

    /// <summary>The character that stands for a byte.</summary>
    public static char Of(byte value) => s_symbols[value];

    /// <summary>The bytes that a token's symbols stand for; null if one of them is no symbol.</summary>
    public static byte[]? Bytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            if (!s_bytes.TryGetValue(token[i], out bytes[i])) return null;
        }

        return bytes;
    }

    private static char[] Make()
    {
        var symbols = new char[256];
        var next = (char)256;
        for (var b = 0; b < 256; b++) symbols[b] = b is > 32 and < 127 or > 160 and not 173 ? (char)b : next++;
        return symbols;
    }
}
