using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>A GPT-2's vocab.json and merges.txt as the tokenizer.json that lies beside them on the hub.</summary>
internal static class Gpt2TokenizerJson
{
    public static string Of(string directory)
    {
        var vocab = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "vocab.json")))!;
        var json = JsonNode.Parse("""
            {"version":"1.0","truncation":null,"padding":null,
             "added_tokens":[{"id":50256,"special":true,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,
             "normalized":true}], "normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true},
             "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false},
             "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},
             "model":{"dropout":null,"unk_token":"","continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false}}
            """)!;
        json["added_tokens"]![0]!["id"] = (int)vocab["<|endoftext|>"]!;
        json["model"]!["vocab"] = vocab;
        json["model"]!["merges"] = new JsonArray([.. File.ReadAllLines(Path.Combine(directory, "merges.txt"))
            .Where(l => l.Length > 0 && !l.StartsWith("#version", StringComparison.Ordinal))
            .Select(l => (JsonNode)l)]);
        return json.ToJsonString();
    }
}
