using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>Reads Hugging Face's tokenizer.json. What is not known is refused by name: it would give other tokens.</summary>
internal static class TokenizerJson
{
    /// <returns>The pipeline, and the id of the token that the template puts before a text.</returns>
    /// <exception cref="TokenizerException">The file is damaged, or has what is not known here; the message names it.</exception>
    public static (TokenizerPipeline Pipeline, string? Begins) Read(string path, JsonElement json)
    {
        try
        {
            var fields = new TokenizerJsonFields(path, "", json);
            fields.Allow("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                "decoder", "model");
            var (preTokenizers, isByteLevel) = TokenizerJsonSteps.PreTokenizers(fields.Optional("pre_tokenizer"));
            var normalizers = TokenizerJsonSteps.Normalizers(fields.Optional("normalizer"));
            var vocabulary = Model(path, fields.Required("model"), isByteLevel);
            return (new(vocabulary, Added(path, json, vocabulary), normalizers, preTokenizers), Begins(fields.Optional("post_processor")));
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or KeyNotFoundException or OverflowException
            or ArgumentException)
        {
            throw new TokenizerException(path, "is no tokenizer.json as Hugging Face writes it: "
                + "a field is of another kind, or a text in it is not valid Unicode; download it again.", e);
        }
    }

    private static BytePairVocabulary Model(string path, TokenizerJsonFields model, bool isByteLevel)
    {
        // older files leave the type out
        if (model.Text("type") is var type and not (null or "BPE"))
        {
            throw new TokenizerException(path,
                $"has the model {DisplayText.QuotedName(type)}; only BPE is known, as GPT-2, Pythia, Llama, Qwen2 and Mistral have it.");
        }
        model.Allow("type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
            "ignore_merges", "vocab", "merges");
        if (model.Number("dropout") is not (null or 0))
        {
            throw model.Refused("dropout", "a text would have other tokens each time; set it to null");
        }
        foreach (var name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Text(name) is not (null or "")) throw model.Refused(name, "it is not known here");
        }
        var ids = Ids(path, model.Element("vocab"));
        var merges = Merges(path, model.Element("merges"), ids, isByteLevel);
        // GPT-2's is empty and no token: what has all bytes never needs one
        int? unknown = model.Text("unk_token") is not { } unk || (isByteLevel && !ids.ContainsKey(unk)) ? null
            : ids.TryGetValue(unk, out var id) ? id
            : throw new TokenizerException(path,
                $"has the unk_token {DisplayText.QuotedName(unk)}, which is not in its vocab; download it again.");
        var ignoresMerges = model.Flag("ignore_merges");
        List<string> merged = isByteLevel || ignoresMerges ? [] : [.. MergedTokens(ids, merges)];
        var hasByteTokens = model.Flag("byte_fallback");
        return new(ids, isByteLevel, hasByteTokens)
        {
            Merges = merges,
            Unknown = unknown,
            FusesUnknown = model.Flag("fuse_unk"),
            IgnoresMerges = ignoresMerges,
            CutsAtSpaces = !isByteLevel && !ignoresMerges && ids.ContainsKey(BytePairVocabulary.SpaceSign.ToString())
                && BytePairVocabulary.StaysWithinWords(merged),
            CutsAtLines = !isByteLevel && !ignoresMerges && (ids.ContainsKey("\n") || (hasByteTokens && ids.ContainsKey("<0x0A>")))
                && !merged.Any(token => token.Contains('\n') || token.Contains("<0x0A>", StringComparison.Ordinal)),
        };
    }

    private static IEnumerable<string> MergedTokens(Dictionary<string, int> ids, Dictionary<(int, int), (int Rank, int Id)> merges)
    {
        var merged = merges.Values.Select(m => m.Id).ToHashSet();
        return ids.Where(token => merged.Contains(token.Value)).Select(token => token.Key);
    }

    private static Dictionary<string, int> Ids(string path, JsonElement vocab)
    {
        if (vocab.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException(path, "has no model.vocab of tokens and their ids; download it again.");
        }
        var ids = new Dictionary<string, int>(vocab.GetPropertyCount(), StringComparer.Ordinal);
        var used = new HashSet<int>();
        foreach (var token in vocab.EnumerateObject())
        {
            if (token.Value.ValueKind != JsonValueKind.Number || !token.Value.TryGetInt32(out var id) || id is < 0 or >= AddedToken.MostIds
                || !used.Add(id) || token.Name.Length == 0)
            {
                throw new TokenizerException(path, $"gives token {DisplayText.QuotedName(token.Name)} the id "
                    + $"{DisplayText.QuotedName(token.Value.ToString())}: ids must be whole numbers from 0 to {AddedToken.MostIds - 1}, "
                    + "each once; download it again.");
            }
            ids.Add(token.Name, id);
        }
        return ids.Count > 0 ? ids : throw new TokenizerException(path, "has an empty model.vocab; download it again.");
    }

    private static Dictionary<(int, int), (int, int)> Merges(string path, JsonElement list, Dictionary<string, int> ids, bool isByteLevel)
    {
        var merges = new Dictionary<(int, int), (int, int)>();
        var rank = 0;
        if (list.ValueKind == JsonValueKind.Array)
        {
            merges.EnsureCapacity(list.GetArrayLength());
            foreach (var entry in list.EnumerateArray())
            {
                var (left, right) = Pair(path, rank, entry);
                int IdOf(string token) => ids.TryGetValue(token, out var id) ? id
                    : throw new TokenizerException(path,
                        $"names {DisplayText.QuotedName(token)} in merge {rank}, which is not in its vocab; download it again.");
                merges[(IdOf(left), IdOf(right))] = (rank++, IdOf(left + right));   // of two alike the later counts
            }
        }
        // a vocabulary of single characters needs none
        return merges.Count > 0 || !ids.Keys.Any(token => HasMany(token) && !(token[0] == '<' && token[^1] == '>')) ? merges
            : throw new TokenizerException(path, $"has no model.merges, without which {(isByteLevel ? "bytes" : "characters")} never "
                + "become words; take the whole tokenizer.json of a fast tokenizer.");
    }

    private static bool HasMany(string token) => token.Length > (char.IsSurrogate(token[0]) ? 2 : 1);

    private static (string Left, string Right) Pair(string path, int number, JsonElement entry)
    {
        if (entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 2
            && entry.EnumerateArray().All(t => t.ValueKind == JsonValueKind.String))
        {
            return (entry[0].GetString()!, entry[1].GetString()!);
        }
        return entry.ValueKind == JsonValueKind.String && entry.GetString()!.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right]
            ? (left, right)
            : throw new TokenizerException(path,
                $"has the merge {number} {DisplayText.QuotedName(entry.ToString())}, not two tokens; download it again.");
    }

    private static List<AddedToken> Added(string path, JsonElement json, BytePairVocabulary vocabulary)
    {
        var added = new List<AddedToken>();
        if (!json.TryGetProperty("added_tokens", out var list) || list.ValueKind == JsonValueKind.Null) return added;
        var taken = vocabulary.Ids.ToDictionary(t => t.Value, t => t.Key);
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw new TokenizerException(path, "has added_tokens that are no list; download it again.");
        }
        foreach (var entry in list.EnumerateArray())
        {
            var fields = new TokenizerJsonFields(path, "added_tokens", entry);
            var token = fields.Added(fields.Number("id") is { } n && n >= 0 && n < AddedToken.MostIds && n == Math.Floor(n) ? (int)n : -1);
            var (content, id) = (token.Content, token.Id);
            // Hugging Face takes the vocabulary's id, whatever the list says
            if (vocabulary.Ids.TryGetValue(content, out var own) && own != id || taken.TryGetValue(id, out var other) && other != content)
            {
                throw new TokenizerException(path, $"has the added token {DisplayText.QuotedName(content)} with the id {id}, "
                    + "which its vocab contradicts; download it again.");
            }
            taken[id] = content;
            added.Add(token);
        }
        return added;
    }

    /// <summary>The special token that the template puts before a text.</summary>
    private static string? Begins(TokenizerJsonFields? processor)
    {
        if (processor is not { } fields) return null;
        switch (fields.Text("type"))
        {
            case "Sequence":
                return fields.List("processors").Select(p => Begins(p)).FirstOrDefault(b => b is not null);
            case "TemplateProcessing":
                var single = fields.Element("single");
                return single.ValueKind == JsonValueKind.Array && single.GetArrayLength() > 0
                    && single[0].TryGetProperty("SpecialToken", out var special) ? special.GetProperty("id").GetString() : null;
            case "ByteLevel":
                return null;
            case var other:
                throw fields.Unknown(other, "ByteLevel, TemplateProcessing and Sequence");
        }
    }
}
