using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace OnnxAttribution.Runtime;

/// <summary>A byte-level BPE vocabulary as it lies on disk, checked so far that every text can be encoded without loss.</summary>
internal sealed class Gpt2Vocabulary
{
    /// <summary>The one special token of GPT-2.</summary>
    public const string EndOfTextToken = "<|endoftext|>";

    private const long MaxFileBytes = 64 << 20;

    private Gpt2Vocabulary(
        byte[] vocabJson, byte[] mergesText, byte[][] tokens, FrozenDictionary<string, int> ids, Dictionary<(string, string), int> ranks) =>
        (VocabJson, MergesText, Tokens, Ids, Ranks) = (vocabJson, mergesText, tokens, ids, ranks);

    /// <summary>The bytes of vocab.json.</summary>
    public byte[] VocabJson { get; }

    /// <summary>The bytes of merges.txt.</summary>
    public byte[] MergesText { get; }

    /// <summary>The bytes that each id stands for.</summary>
    public byte[][] Tokens { get; }

    /// <summary>The id of each token as vocab.json spells it: in byte symbols.</summary>
    public FrozenDictionary<string, int> Ids { get; }

    /// <summary>The order in which pairs of tokens merge, lowest first.</summary>
    public IReadOnlyDictionary<(string Left, string Right), int> Ranks { get; }

    /// <summary>Reads and checks both files.</summary>
    /// <exception cref="TokenizerException">A file is missing or is no byte-level BPE vocabulary, or the two do not belong together.</exception>
    public static Gpt2Vocabulary Read(string vocabPath, string mergesPath)
    {
        var vocabJson = ReadUtf8(vocabPath);
        var (tokens, ids) = ReadTokens(vocabPath, vocabJson);
        var mergesText = ReadUtf8(mergesPath);
        return new(vocabJson, mergesText, tokens, ids, ReadMerges(mergesPath, Encoding.UTF8.GetString(mergesText), ids));
    }

    private static byte[] ReadUtf8(string path)
    {
        byte[] bytes;
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > MaxFileBytes)
                throw new TokenizerException(path, $"has {file.Length} bytes, more than any GPT-2 vocabulary ({MaxFileBytes}); check the path.");
            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TokenizerException(path, "there is no such file; a GPT-2 checkpoint has vocab.json and merges.txt.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TokenizerException(path, $"cannot be read ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}).", e);
        }
        return bytes.Length > 0 && System.Text.Unicode.Utf8.IsValid(bytes) && !bytes.Contains((byte)0) ? bytes
            : throw new TokenizerException(path, "is not text in UTF-8; download it again.");
    }

    private static (byte[][] Tokens, FrozenDictionary<string, int> Ids) ReadTokens(string path, byte[] json)
    {
        Dictionary<string, int> ids;
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            ids = document.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.TryGetInt32(out var id) ? id : -1);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: no object, no number, an escaped lone surrogate
        {
            throw new TokenizerException(path,
                $"is no JSON object of token ids ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); download it again.", e);
        }
        var tokens = new byte[ids.Count][];
        foreach (var (token, id) in ids)
        {
            if (id < 0 || id >= tokens.Length || tokens[id] is not null)
                throw new TokenizerException(path,
                    $"gives token {Quote(token)} the id {id}: ids must be 0 to {tokens.Length - 1}, each once; download it again.");
            tokens[id] = ByteSymbols.Bytes(token) is { Length: > 0 } bytes ? bytes
                : throw new TokenizerException(path,
                    $"has token {Quote(token)}, which is not spelled in GPT-2's byte symbols; only byte-level BPE is supported.");
        }
        for (var b = 0; b < 256; b++)
            if (!ids.ContainsKey(ByteSymbols.Of((byte)b).ToString()))
                throw new TokenizerException(path,
                    $"has no token for the byte 0x{b:X2}; only byte-level BPE, which has one for each byte, is supported.");
        return ids.ContainsKey(EndOfTextToken) ? (tokens, ids.ToFrozenDictionary())
            : throw new TokenizerException(path, $"has no token '{EndOfTextToken}'; take the vocabulary of a GPT-2.");
    }

    private static Dictionary<(string, string), int> ReadMerges(string path, string text, FrozenDictionary<string, int> ids)
    {
        var ranks = new Dictionary<(string, string), int>();
        var number = 0;
        foreach (var line in text.Split('\n').Select(line => line.TrimEnd('\r')))
        {
            number++;
            if (line.Length == 0 || (ranks.Count == 0 && line[0] == '#')) // the version line
                continue;
            if (line.Split(' ') is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw new TokenizerException(path, $"line {number} is {Quote(line)}, not two tokens with a space between; download it again.");
            foreach (var token in (ReadOnlySpan<string>)[left, right, left + right])
                if (!ids.ContainsKey(token))
                    throw new TokenizerException(path,
                        $"line {number} names {Quote(token)}, which is not in vocab.json; the two files must come from one tokenizer.");
            if (!ranks.TryAdd((left, right), ranks.Count))
                throw new TokenizerException(path, $"line {number} repeats the merge {Quote(line)}; download it again.");
        }
        // a vocabulary of single bytes needs none
        return ranks.Count > 0 || !ids.Keys.Any(token => token.Length > 1 && token != EndOfTextToken) ? ranks
            : throw new TokenizerException(path, "has no merges; download it again.");
    }

    private static string Quote(string text)
    {
        var shown = text.Length > 60 ? text[..60] + "…" : text;
        return $"'{string.Concat(shown.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '\ufffd' : c))}'";
    }
}
