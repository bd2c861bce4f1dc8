using System.Globalization;
using System.Text;

namespace OnnxAttribution.Tokenizers;

// Unicode Standard Annex 15, normalization form C:
// 1. every character is decomposed in full;
// 2. runs of combining characters are put in the order of their classes, equal ones as they were;
// 3. each character composes with the last starter before it, unless one of its own class or a starter stands between.

/// <summary>Unicode's form NFC, which some tokenizers want.
/// The program runs without ICU, and .NET's own normalization does nothing then.</summary>
internal sealed class CanonicalComposition
{
    private const int HangulFirst = 0xAC00, LeadFirst = 0x1100, VowelFirst = 0x1161, TrailFirst = 0x11A7, Leads = 19,
        Vowels = 21, Trails = 28;

    private readonly Dictionary<int, int[]> _decompositions = [];
    private readonly Dictionary<(int, int), int> _compositions = [];
    private readonly Dictionary<int, byte> _classes = [];

    private CanonicalComposition(TextReader forms)
    {
        while (forms.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            int Code(int i) => int.Parse(fields[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (fields[0] == "D")
            {
                _decompositions.Add(Code(1), [.. Enumerable.Range(2, fields.Length - 2).Select(Code)]);
            }
            else if (fields[0] == "C")
            {
                _compositions.Add((Code(2), Code(3)), Code(1));
            }
            else if (fields[0] == "R")
            {
                for (var c = Code(2); c <= Code(3); c++) _classes.Add(c, byte.Parse(fields[1], CultureInfo.InvariantCulture));
            }
        }
    }

    /// <summary>Reads the tables, see canonical_forms.py.</summary>
    public static CanonicalComposition Read()
    {
        using var forms = new StreamReader(typeof(CanonicalComposition).Assembly.GetManifestResourceStream("canonical-forms.txt")!);
        return new(forms);
    }

    /// <summary>The text in form NFC; a lone surrogate becomes U+FFFD if anything has to be done.</summary>
    public string Compose(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\u0300', '\uffff')) return text;   // below, every character is composed, and none combines
        var codes = new List<(int Code, byte Class)>(text.Length);
        foreach (var rune in text.EnumerateRunes()) Decompose(rune.Value, codes);
        Order(codes);
        var composed = new StringBuilder(text.Length);
        foreach (var code in Compose(codes)) composed.Append(new Rune(code).ToString());
        return composed.ToString();
    }

    private void Decompose(int code, List<(int Code, byte Class)> into)
    {
        if (code - HangulFirst is var s and >= 0 and < Leads * Vowels * Trails)
        {
            into.Add((LeadFirst + (s / (Vowels * Trails)), 0));
            into.Add((VowelFirst + (s % (Vowels * Trails) / Trails), 0));
            if (s % Trails > 0) into.Add((TrailFirst + (s % Trails), 0));
        }
        else if (_decompositions.TryGetValue(code, out var parts))
        {
            foreach (var part in parts) into.Add((part, ClassOf(part)));
        }
        else
        {
            into.Add((code, ClassOf(code)));
        }
    }

    private byte ClassOf(int code) => _classes.GetValueOrDefault(code);

    private static void Order(List<(int Code, byte Class)> codes)
    {
        for (var start = 0; start < codes.Count; start++)
        {
            if (codes[start].Class == 0) continue;
            var end = start + 1;
            while (end < codes.Count && codes[end].Class != 0) end++;
            if (end - start > 1)
            {
                var ordered = codes.GetRange(start, end - start).OrderBy(c => c.Class).ToList();   // stable
                for (var i = start; i < end; i++) codes[i] = ordered[i - start];
            }
            start = end;
        }
    }

    private List<int> Compose(List<(int Code, byte Class)> codes)
    {
        var result = new List<int>(codes.Count);
        var (starter, last) = (-1, -1);   // where the last starter is in the result; the class of what was last kept behind it, -1: nothing
        foreach (var (code, combining) in codes)
        {
            if (starter >= 0 && last < combining && Pair(result[starter], code) is { } pair)
            {
                result[starter] = pair;
                continue;
            }
            if (combining == 0) (starter, last) = (result.Count, -1);
            else last = combining;
            result.Add(code);
        }
        return result;
    }

    private int? Pair(int first, int second)
    {
        if (first - LeadFirst is var l and >= 0 and < Leads && second - VowelFirst is var v and >= 0 and < Vowels)
        {
            return HangulFirst + (((l * Vowels) + v) * Trails);
        }
        if (first - HangulFirst is var s and >= 0 and < Leads * Vowels * Trails && s % Trails == 0
            && second - TrailFirst is var t and > 0 and < Trails)
        {
            return first + t;
        }
        return _compositions.TryGetValue((first, second), out var pair) ? pair : null;
    }
}
