using System.Text.Json.Nodes;

namespace OnnxAttribution.Tokenizers;

/// <summary>A model's tokenizer as one tokenizer.json, whatever files it is read from, so that another program's reader makes the same ids
/// of a text.</summary>
internal static class TokenizerDocument
{
    /// <param name="directory">Holds tokenizer.json, or vocab.json and merges.txt.</param>
    /// <exception cref="TokenizerException">A file is missing, broken or of a kind that is not known.</exception>
    public static JsonObject Of(string directory)
    {
        var path = Path.Combine(directory, "tokenizer.json");
        if (TokenizerFile.ReadJson(path) is not { } document) return OfGpt2(directory);
        using (document)
        {
            var (pipeline, _) = TokenizerJson.Read(path, document.RootElement);
            var json = JsonObject.Create(document.RootElement.Clone())!;
            json["added_tokens"] = Added(AddedTokenFiles.With(directory, pipeline.Vocabulary, pipeline.Added));
            if (json["pre_tokenizer"] is JsonObject cuts)
            {
                json["pre_tokenizer"] = new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray([.. Spelled(cuts)]) };
            }
            return json;
        }
    }

    private static JsonObject OfGpt2(string directory)
    {
        var vocabulary = Gpt2Vocabulary.Read(Path.Combine(directory, "vocab.json"), Path.Combine(directory, "merges.txt"));
        Gpt2Vocabulary.RequireGpt2(Path.Combine(directory, "tokenizer_config.json"));
        var texts = vocabulary.Ids.ToDictionary(t => t.Value, t => t.Key);
        var merges = vocabulary.Merges.OrderBy(m => m.Value.Item1)
            .Select(m => (JsonNode)new JsonArray(texts[m.Key.Item1], texts[m.Key.Item2]));
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = Added(AddedTokenFiles.With(directory, vocabulary, [Gpt2Vocabulary.End(vocabulary)])),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray([.. Spelled(new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false })]),
            },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = new JsonObject(vocabulary.Ids.OrderBy(t => t.Value)
                    .Select(t => KeyValuePair.Create(t.Key, (JsonNode?)t.Value))),
                ["merges"] = new JsonArray([.. merges]),
            },
        };
    }

    // where a text is cut without a pattern being named, the pattern is named: readers differ in what is white space (U+0085, U+FEFF), in
    // digits beyond U+FFFF, and in whether a run of spaces is one piece
    private static IEnumerable<JsonNode> Spelled(JsonObject cut)
    {
        bool Flag(string name, bool otherwise) => (bool?)cut[name] ?? otherwise;
        switch ((string?)cut["type"])
        {
            case "Sequence":
                return [.. cut["pretokenizers"]!.AsArray().SelectMany(c => Spelled(c!.AsObject()))];
            case "ByteLevel" when Flag("use_regex", true) && !Flag("add_prefix_space", true):
                var bytes = cut.DeepClone().AsObject();
                bytes["use_regex"] = false;
                return [Split(PiecePattern.Gpt2), bytes];
            case "Digits":
                return [Split(Flag("individual_digits", false) ? @"\p{N}" : @"\p{N}+")];
            case "Metaspace" when Flag("split", true):
                var sign = (string?)cut["replacement"] ?? BytePairVocabulary.SpaceSign.ToString();
                return [cut.DeepClone(), Split($"{sign}[^{sign}]*|[^{sign}]+")];
            default:
                return [cut.DeepClone()];
        }
    }

    private static JsonObject Split(string pattern) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = pattern },
        ["behavior"] = "Isolated",
        ["invert"] = false,
    };

    private static JsonArray Added(IEnumerable<AddedToken> tokens) => [.. tokens.Select(t => (JsonNode)new JsonObject
    {
        ["id"] = t.Id,
        ["content"] = t.Content,
        ["single_word"] = t.SingleWord,
        ["lstrip"] = t.StripsLeft,
        ["rstrip"] = t.StripsRight,
        ["normalized"] = t.IsNormalized,
        ["special"] = !t.IsNormalized,
    })];
}
