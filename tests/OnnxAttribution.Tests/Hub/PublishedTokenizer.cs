using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Hub;

internal static class PublishedTokenizer
{
    /// <summary>The same vocabulary as GPT-2's repository has it a second time: an old file, whose model does not say its type.</summary>
    public static byte[] OfGpt2()
    {
        string Read(string name) => File.ReadAllText(Path.Combine(Random2.Checkpoint, name));
        var vocabulary = JsonNode.Parse(Read("vocab.json"))!.AsObject();
        JsonObject ByteLevel(bool addsSpace, bool trims) =>
            new() { ["type"] = "ByteLevel", ["add_prefix_space"] = addsSpace, ["trim_offsets"] = trims };
        var end = new JsonObject
        {
            ["id"] = (int)vocabulary["<|endoftext|>"]!,
            ["special"] = true,
            ["content"] = "<|endoftext|>",
            ["single_word"] = false,
            ["lstrip"] = false,
            ["rstrip"] = false,
            ["normalized"] = true,
        };
        var model = new JsonObject
        {
            ["dropout"] = null,
            ["unk_token"] = null,
            ["continuing_subword_prefix"] = "",
            ["end_of_word_suffix"] = "",
            ["fuse_unk"] = false,
            ["vocab"] = vocabulary.DeepClone(),
            ["merges"] = new JsonArray([.. Read("merges.txt").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)]),
        };
        return Encoding.UTF8.GetBytes(new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(end),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(false, true),
            ["post_processor"] = ByteLevel(true, false),
            ["decoder"] = ByteLevel(true, true),
            ["model"] = model,
        }.ToJsonString());
    }
}
