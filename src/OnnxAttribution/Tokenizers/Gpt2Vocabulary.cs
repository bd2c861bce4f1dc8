using System.Text;
using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>A byte-level BPE vocabulary in vocab.json and merges.txt (OpenAI's encoder.json and vocab.bpe are the same files),
/// checked so far that every text can be encoded without loss.</summary>
internal static class Gpt2Vocabulary
{
    /// <summary>The one special token of GPT-2.</summary>
    public const string EndOfTextToken = "<|endoftext|>";

    // OPT's, whose files are otherwise GPT-2's
    private const string EndOfSentenceToken = "</s>";

    /// <summary>The token that begins and ends a text: <c>&lt;|endoftext|&gt;</c>, or <c>&lt;/s&gt;</c> where there is none.</summary>
    public static AddedToken End(BytePairVocabulary vocabulary)
    {
        var content = vocabulary.Ids.ContainsKey(EndOfTextToken) ? EndOfTextToken : EndOfSentenceToken;
        return new(vocabulary.Ids[content], content, SingleWord: false, StripsLeft: false, StripsRight: false, IsNormalized: false);
    }

    private const string Save = "transformers' AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes tokenizer.json";

    /// <summary>Refuses a tokenizer of another kind that has files of these names: how it cuts a text is in its program only.</summary>
    /// <exception cref="TokenizerException">tokenizer_config.json names another class, or a space before every text.</exception>
    public static void RequireGpt2(string configurationPath)
    {
        using var document = TokenizerFile.ReadJson(configurationPath);
        if (document is null) return;
        var fields = new TokenizerJsonFields(configurationPath, "", document.RootElement);
        if (fields.Text("tokenizer_class") is not (null or "GPT2Tokenizer" or "GPT2TokenizerFast"))
        {
            throw fields.Refused("tokenizer_class", $"only a GPT-2's tokenizer is read from vocab.json and merges.txt; {Save}");
        }
        if (fields.Flag("add_prefix_space"))
        {
            throw fields.Refused("add_prefix_space", $"only false is known with vocab.json and merges.txt; {Save}");
        }
    }

    /// <summary>Reads and checks both files.</summary>
    /// <exception cref="TokenizerException">A file is missing or is no byte-level BPE vocabulary,
    /// or the two do not belong together.</exception>
    public static BytePairVocabulary Read(string vocabPath, string mergesPath)
    {
        const string Fix =
            $"a checkpoint has tokenizer.json, or a GPT-2's vocab.json and merges.txt (where there is only tokenizer.model, {Save})";
        var ids = ReadTokens(vocabPath, TokenizerFile.Read(vocabPath, Fix));
        return new(ids, isByteLevel: true, hasByteTokens: false)
        {
            Merges = ReadMerges(mergesPath, Encoding.UTF8.GetString(TokenizerFile.Read(mergesPath, Fix)), ids)
        };
    }

    private static Dictionary<string, int> ReadTokens(string path, byte[] json)
    {
        Dictionary<string, int> ids;
        try
        {
            using var document = PythonJson.Parse(json);
            ids = document.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.TryGetInt32(out var id) ? id : -1);
        }
        // the latter: no object, no number, an escaped lone surrogate
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new TokenizerException(path,
                $"is no JSON object of token ids ({JsonFault.Words(e)}); download it again.", e);
        }
        RequireEveryId(path, ids);
        RequireEveryByte(path, ids);
        return ids.ContainsKey(EndOfTextToken) || ids.ContainsKey(EndOfSentenceToken) ? ids
            : throw new TokenizerException(path,
                $"has no token '{EndOfTextToken}' (or '{EndOfSentenceToken}', as OPT); take the vocabulary of a GPT-2.");
    }

    private static void RequireEveryId(string path, Dictionary<string, int> ids)
    {
        var used = new bool[ids.Count];
        foreach (var (token, id) in ids)
        {
            if (id < 0 || id >= used.Length || used[id])
            {
                throw new TokenizerException(path,
                    $"gives token {DisplayText.QuotedName(token)} the id {id}: "
                    + $"ids must be 0 to {used.Length - 1}, each once; download it again.");
            }
            used[id] = ByteSymbols.Bytes(token) is { Length: > 0 } ? true
                : throw new TokenizerException(path,
                    $"has token {DisplayText.QuotedName(token)}, which is not spelled in GPT-2's byte symbols; "
                    + "only byte-level BPE is supported.");
        }
    }

    private static void RequireEveryByte(string path, Dictionary<string, int> ids)
    {
        for (var b = 0; b < 256; b++)
        {
            if (!ids.ContainsKey(ByteSymbols.Of((byte)b).ToString()))
            {
                throw new TokenizerException(path,
                    $"has no token for the byte 0x{b:X2}; only byte-level BPE, which has one for each byte, is supported.");
            }
        }
    }

    private static Dictionary<(int, int), (int, int)> ReadMerges(string path, string text, Dictionary<string, int> ids)
    {
        var merges = new Dictionary<(int, int), (int, int)>();
        var number = 0;
        foreach (var line in text.Split('\n').Select(line => line.TrimEnd('\r')))
        {
            number++;
            if (line.Length == 0 || (merges.Count == 0 && line[0] == '#')) // the version line
            {
                continue;
            }
            if (line.Split(' ') is not [{ Length: > 0 } left, { Length: > 0 } right])
            {
                throw new TokenizerException(path,
                    $"line {number} is {DisplayText.QuotedName(line)}, not two tokens with a space between; download it again.");
            }
            foreach (var token in (ReadOnlySpan<string>)[left, right, left + right])
            {
                if (!ids.ContainsKey(token))
                {
                    throw new TokenizerException(path,
                        $"line {number} names {DisplayText.QuotedName(token)}, which is not in vocab.json; "
                        + "the two files must come from one tokenizer.");
                }
            }

            if (!merges.TryAdd((ids[left], ids[right]), (merges.Count, ids[left + right])))
            {
                throw new TokenizerException(path, $"line {number} repeats the merge {DisplayText.QuotedName(line)}; download it again.");
            }
        }
        // a vocabulary of single bytes needs none
        return merges.Count > 0 || !ids.Keys.Any(token => token.Length > 1 && !IsSpecial(token)) ? merges
            : throw new TokenizerException(path, "has no merges; download it again.");
    }

    private static bool IsSpecial(string token) => token is EndOfTextToken or EndOfSentenceToken or "<s>" or "<pad>" or "<unk>";
}
