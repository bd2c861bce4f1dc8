using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A checkpoint of Llama's type, with its dictionaries, whose tokenizer.json is SentencePiece's in BPE.</summary>
/// <param name="Added">Tokens that are found before the text is taken apart; all are in the vocabulary.</param>
internal sealed record SentencePieceCheckpoint(IEnumerable<string> Vocabulary, IEnumerable<string> Merges, IEnumerable<string> Added)
{
    /// <summary>Of the tokens added.</summary>
    public bool Special { get; init; }

    public bool ByteFallback { get; init; }

    /// <summary>tokenizer_config.json.</summary>
    public required string Configuration { get; init; }

    /// <returns>The checkpoint's folder.</returns>
    public string Write(string folder)
    {
        var checkpoint = RandomModels.Rewrite("llama2", folder);
        var original = RandomModels.Checkpoint("llama2");
        foreach (var dictionary in Directory.GetFiles(Path.Combine(original, "dictionaries"), "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(checkpoint, Path.GetRelativePath(original, dictionary));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(dictionary, copy);
        }
        foreach (var name in (string[])["vocab.json", "merges.txt"]) File.Delete(Path.Combine(checkpoint, name));
        File.WriteAllText(Path.Combine(checkpoint, "tokenizer.json"), Tokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(checkpoint, "tokenizer_config.json"), Configuration);
        return checkpoint;
    }

    private JsonObject Tokenizer()
    {
        var vocab = new JsonObject();
        foreach (var token in Vocabulary) vocab[token] = vocab.Count;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray([.. Added.Select(t => AddedToken((int)vocab[t]!, t))]),
            ["normalizer"] = JsonNode.Parse("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},"""
                + """{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = ByteFallback,
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. Merges.Select(m => (JsonNode)m)])
            },
        };
    }

    private JsonObject AddedToken(int id, string content) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = Special
    };
}
