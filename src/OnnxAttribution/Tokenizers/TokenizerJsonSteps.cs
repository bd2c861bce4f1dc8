using System.Text;

namespace OnnxAttribution.Tokenizers;

/// <summary>The normalizers and pre-tokenizers of a tokenizer.json, as far as they are known here.</summary>
internal static class TokenizerJsonSteps
{
    public static IReadOnlyList<Normalizer> Normalizers(TokenizerJsonFields? component)
    {
        if (component is not { } fields) return [];
        switch (fields.Text("type"))
        {
            case "Sequence":
                return [.. fields.List("normalizers").SelectMany(n => Normalizers(n))];
            case "NFC":
                var composition = CanonicalComposition.Read();
                return [(text, _) => composition.Compose(text)];
            case "Prepend":
                var prefix = fields.Text("prepend") ?? "";
                return [(text, start) => start == PieceStart.Continuation ? text : prefix + text];
            case "Replace":
                var (pattern, content) = (Pattern(fields), fields.Text("content") ?? "");
                return [(text, _) => Replaced(text, pattern, content)];
            case var other:
                throw fields.Unknown(other, "NFC, Prepend, Replace and Sequence");
        }
    }

    /// <returns>Also whether bytes are spelled by GPT-2's symbols.</returns>
    public static (IReadOnlyList<PreTokenizer> Steps, bool IsByteLevel) PreTokenizers(TokenizerJsonFields? component)
    {
        if (component is not { } fields) return ([], false);
        List<TokenizerJsonFields> parts = fields.Text("type") == "Sequence" ? [.. fields.List("pretokenizers")] : [fields];
        var byteLevel = parts.FindIndex(p => p.Text("type") == "ByteLevel");
        if (byteLevel >= 0 && byteLevel < parts.Count - 1)
        {
            throw parts[byteLevel + 1].Refused("type", "nothing is known here that follows ByteLevel");
        }
        return ([.. parts.SelectMany(Cuts)], byteLevel >= 0);
    }

    private static IEnumerable<PreTokenizer> Cuts(TokenizerJsonFields fields)
    {
        switch (fields.Text("type"))
        {
            case "ByteLevel":
                if (fields.Flag("add_prefix_space", true))
                {
                    yield return (piece, start, into) =>
                        into.Add(start == PieceStart.Continuation || piece.Span[0] == ' ' ? piece : $" {piece}".AsMemory());
                }
                if (fields.Flag("use_regex", true)) yield return Cut(PiecePattern.Of(PiecePattern.Gpt2), PieceCut.Isolated, false);
                break;
            case "Split":
                var behaviour = fields.Text("behavior");
                yield return Enum.TryParse<PieceCut>(behaviour, out var cut) && char.IsAsciiLetter(behaviour![0])
                    ? Cut(Pattern(fields), cut, fields.Flag("invert"))
                    : throw fields.Refused("behavior", $"{string.Join(", ", Enum.GetNames<PieceCut>())} are known");
                break;
            case "Digits":
                yield return Cut(PiecePattern.Of(@"\p{N}"),
                    fields.Flag("individual_digits") ? PieceCut.Isolated : PieceCut.Contiguous, false);
                break;
            case "Metaspace":
                yield return Metaspace(fields);
                if (fields.Flag("split", true))
                {
                    yield return Cut(PiecePattern.Literal(BytePairVocabulary.SpaceSign.ToString()), PieceCut.MergedWithNext, false);
                }
                break;
            case var other:
                throw fields.Unknown(other, "ByteLevel, Split, Digits, Metaspace and Sequence");
        }
    }

    private static PreTokenizer Cut(PiecePattern pattern, PieceCut cut, bool invert) =>
        (piece, _, into) => pattern.Cut(piece, cut, invert, into);

    private static PreTokenizer Metaspace(TokenizerJsonFields fields)
    {
        if (fields.Text("replacement") != BytePairVocabulary.SpaceSign.ToString())
        {
            throw fields.Refused("replacement", $"only '{BytePairVocabulary.SpaceSign}' is known");
        }
        // before there were schemes there was a flag
        var scheme = fields.Text("prepend_scheme") ?? (fields.Flag("add_prefix_space", true) ? "always" : "never");
        if (scheme is not ("always" or "first" or "never")) throw fields.Refused("prepend_scheme", "always, first and never are known");
        return (piece, start, into) =>
        {
            var text = piece.ToString().Replace(' ', BytePairVocabulary.SpaceSign);
            var prepends = text[0] != BytePairVocabulary.SpaceSign
                && (scheme == "always" ? start != PieceStart.Continuation : scheme == "first" && start == PieceStart.Text);
            into.Add((prepends ? BytePairVocabulary.SpaceSign + text : text).AsMemory());
        };
    }

    private static PiecePattern Pattern(TokenizerJsonFields fields)
    {
        var pattern = fields.Required("pattern");
        if (pattern.Text("String") is { Length: > 0 } text) return PiecePattern.Literal(text);
        if (pattern.Text("Regex") is not { } regex) throw fields.Refused("pattern", "String and Regex are known");
        try
        {
            return PiecePattern.Of(regex);
        }
        catch (FormatException e)
        {
            throw pattern.Refused("Regex", e.Message);
        }
    }

    private static string Replaced(string text, PiecePattern pattern, string content)
    {
        var (result, done) = (new StringBuilder(text.Length), 0);
        foreach (var (start, end) in pattern.Matches(text))
        {
            result.Append(text, done, start - done).Append(content);
            done = end;
        }
        return done == 0 ? text : result.Append(text, done, text.Length - done).ToString();
    }
}
