using System.Text;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>Texts that tokenizers disagree about, the same on every machine: white space of all kinds, control characters, combining marks,
/// digits and letters of many scripts, contractions, emoji, runs of one sign, and special tokens in and between them.</summary>
internal sealed class DifficultTexts
{
    private static readonly string[] s_words =
        [.. ("the of and to in Paris France capital when Mary John store gave drink attribution patching feature "
            + "dictionary token don't we'll "
            + "I'd they're you've it's I'm CAN'T o'clock HTTP GPT2 x86_64 3.14159 1,000,000 2024-06-13 foo_bar(baz) "
            + "if(x==0){return;} http://a.b/c?d=e&f=g "
            + "na\u00efve caf\u00e9 Z\u00fcrich \u00c5ngstr\u00f6m Stra\u00dfe \u0153uvre").Split(' ')];

    // Latin, Greek, Cyrillic, Hebrew, Arabic with marks, Devanagari, Bengali, Thai,
    // Hangul by letter and by syllable, kana, Han with compatibility forms, letters and digits beyond U+FFFF
    private static readonly (int Low, int High)[] s_alphabets =
    [
        (0x20, 0x7e), (0xa0, 0x17f), (0x391, 0x3c9), (0x410, 0x44f), (0x5d0, 0x5ea), (0x627, 0x64a), (0x64b, 0x652), (0x905, 0x939),
        (0x93e, 0x94d), (0x9bc, 0x9d7), (0xe01, 0xe2e), (0x1100, 0x1112), (0x1161, 0x1175), (0x11a8, 0x11c2), (0x2190, 0x21ff),
        (0x2460, 0x249b), (0x3041, 0x3093), (0x30a1, 0x30f6), (0x4e00, 0x9fa5), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0x300, 0x36f),
        (0x1f00, 0x1fff), (0x1d400, 0x1d454), (0x1d7ce, 0x1d7ff), (0x1d15e, 0x1d164), (0x1e900, 0x1e943), (0x1f600, 0x1f64f),
        (0x20000, 0x2a6d6),
    ];

    private static readonly string[] s_spaces =
    [
        " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u2028", "\u200b", "\ufeff",
        "\u0085", "\v", "\f", "\u2581", "\u2581\u2581", "     ", "         ", "                                  ",
    ];

    private static readonly string[] s_controls =
    [
        "\0", "\0\0", "\u0001", "\u0002", "\a", "\b", "\u001b[0m", "\u001c", "\u001f", "\u007f", "\u0080", "\u009f", "\u00ad", "\u200d",
        "\u202e", "\ufffd", "\ue000", "\ufffe", "\u0378", "\U000e0001", "\U0010ffff",
    ];

    private static readonly string[] s_marks = ["\u0301", "\u0308", "\u0327", "\u20dd", "\ufe0f", "\u0323", "\u0345"];

    // a face, a family of four, a flag of two joined signs, a skin colour,
    // a flag of two letters, a snowman, a heart and a digit with what makes them pictures
    private static readonly string[] s_emoji =
    [
        "\U0001f642", "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f44d\U0001f3fd", "\U0001f1eb\U0001f1f7", "\u2603", "\u2764\ufe0f", "1\ufe0f\u20e3",
    ];

    private static readonly string[] s_punctuation =
    [
        ".", ",", "!", "?", "...", "--", "\u2014", "\u201c", "\u201d", "'", "'s", "'S", "'LL", "'Re", "'\u017f", "\"", "(", ")", "[[", "=>",
        "%", "$", "#", "@", "\\", "/", "*", ",,,,,", "\u2014\u2014\u2014\u2014\u2014\u2014", ".\n", ";\n\n", ")\r\n",
    ];

    private static readonly string[] s_given =
    [
        "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\0", "a", " a", "Hello world", "Hello, world!",
        "The capital of France is Paris.", "constructor", "toString __proto__",
        "When Mary and John went to the store, John gave a drink to", "<|endoftext|>", "<s>", "</s>", "<unk>", "<0x0A>", "< |endoftext|>",
        "<|endoftext|", "<|ENDOFTEXT|>", "\0a", "a\0", "a\0b", "  \0", "\n\n\0x", "\0\u0001\0\u0001", "\n\u0085\0",
        "\n\n\ufeffx", "\n\n\u001cx", "a\u0085b", "\n\n\u0085x", " \u0085 x", "\u0085", "\u0085\u0085  ", "x \u0085\u0085 y\u0085 \n z",
        "'s 't 're 've 'm 'll 'd", "'S 'T 'RE '\u017f 'VE 'lL", "''s", "a'sb", "don\u2019t", "SolidGoldMagikarp", " SolidGoldMagikarp",
        "I'll\n\n  go\t\tnow   ", "\u00e9 e\u0301 e\u0308\u0302 A\u030a \u212b", "\ufb03 \u01c4 \u0149 \u00df \u0130",
        "\u00bd \u00b2 \u2167 \u0663 \u4e94", "\u2211\u222b\u221a\u2260", "\u4e2d\u6587\u6ca1\u6709\u7a7a\u683c",
        "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22",
        "\ud55c\uad6d\uc5b4 \u1100\u1161\u11a8 \uac01", "\u05e2\u05d1\u05e8\u05d9\u05ea", "1 12 123 1234 12345 123456", "a1b22c333",
        "\u0663\u0664\u0665\u0666", "\U0001d7cf\U0001d7d0\U0001d7d1\U0001d7d2\U0001d7d3 \U0001d400\U0001d401\U0001d41c",
        "\U00020000\U00020001", "def f(x):\n    return x  # no\n\n\n\tif y:\n\t\tpass\n", "a\u0323\u0308 \u1ea1\u0308",
        "q\u0323\u0307 q\u0307\u0323", Run("x", 300), Run("ab", 200), Run(" ", 300), Run("\n", 150), Run("\u554a", 100),
        Run("\U0001f642", 60), Run("0", 100), Run(".", 130), Run("=-", 70),
    ];

    private uint _state = 20240613;

    private DifficultTexts()
    {
    }

    /// <summary>That many different texts; with the same arguments the same ones.</summary>
    /// <param name="specials">Tokens that the tokenizer looks for in a text as it stands.</param>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> specials, int count)
    {
        var texts = new List<string>([.. s_given, .. specials, .. specials.Select(s => $" {s} "), .. specials.Select(s => $"a{s}b"),
            .. specials.Select(s => $"a {s} b\n{s}"), .. specials.Select(s => s + s), .. specials.Select(s => $"  \n{s}  x"),
            .. specials.Select(s => $"{s}\0{s}")]);
        var known = new HashSet<string>(texts = [.. texts.Distinct()]);
        var generator = new DifficultTexts();
        while (texts.Count < count)
        {
            var text = generator.Text(specials);
            if (known.Add(text)) texts.Add(text);
        }
        return texts;
    }

    private string Text(IReadOnlyList<string> specials)
    {
        var kind = Next(10);
        if (Next(4) > 0) return Many(8, () => Piece(Next(10), specials));
        if (Next(2) > 0) return Many(6, () => Piece(kind, specials));
        return Many(8, () => Pick(Next(3) > 0 ? s_spaces : Next(2) > 0 ? s_controls : [.. specials, "x", ".", "7"]));
    }

    private string Piece(int kind, IReadOnlyList<string> specials)
    {
        switch (kind)
        {
            case 0: return Pick(s_words);
            case 1: return " " + Pick(s_words);
            case 2: return Pick(s_spaces);
            case 3: return Pick(s_punctuation);
            case 4: return Pick(s_emoji);
            case 5: return Pick(s_controls);
            case 6: return "aeounAEIOU"[Next(10)] + Many(3, () => Pick(s_marks));
            case 7:
                var (low, high) = s_alphabets[Next(s_alphabets.Length)];
                return Many(6, () => char.ConvertFromUtf32(low + Next(high - low + 1)));
            case 8: return $"{Next(1_000_000_000)}";
            default: return specials.Count == 0 || Next(4) > 0 ? "" : specials[Next(specials.Count)];
        }
    }

    private string Many(int most, Func<string> make)
    {
        var text = new StringBuilder();
        for (var i = 1 + Next(most); i > 0; i--) text.Append(make());
        return text.ToString();
    }

    private string Pick(string[] list) => list[Next(list.Length)];

    // a linear congruential generator: Random's sequence is not promised to stay
    private int Next(int count)
    {
        _state = unchecked((_state * 1664525) + 1013904223);
        return (int)((ulong)_state * (ulong)count >> 32);
    }

    private static string Run(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
}
