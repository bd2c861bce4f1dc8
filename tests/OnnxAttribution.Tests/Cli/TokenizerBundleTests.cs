using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A model of Llama's type with a SentencePiece-style tokenizer.json, from its checkpoint to the tables.</summary>
public sealed class TokenizerBundleTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Bundle(string? configuration = null)
    {
        var checkpoint = RandomModels.Rewrite("llama2", _directory["checkpoint"]);
        foreach (var dictionary in Directory.GetFiles(Path.Combine(RandomModels.Checkpoint("llama2"), "dictionaries"), "*",
            SearchOption.AllDirectories))
        {
            var copy = Path.Combine(checkpoint, Path.GetRelativePath(RandomModels.Checkpoint("llama2"), dictionary));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(dictionary, copy);
        }
        foreach (var name in (string[])["vocab.json", "merges.txt"]) File.Delete(Path.Combine(checkpoint, name));
        string[][] merges = [["\u2581", "t"], ["h", "e"], ["\u2581t", "he"], ["\u2581", "M"], ["r", "y"], ["\u2581M", "a"],
            ["\u2581Ma", "ry"], ["a", "t"], ["\u2581", "c"], ["\u2581c", "at"]];
        var vocab = new JsonObject();
        foreach (var token in (string[])["<unk>", "<s>", "</s>", "<0x0A>", "<0xE2>", "<0x98>", "<0x83>", "\u2581", "t", "h", "e", "M", "a",
            "r", "y", "c", .. merges.Select(m => m[0] + m[1])])
        {
            vocab[token] = vocab.Count;
        }
        JsonObject Special(int id, string content) =>
            new()
            {
                ["id"] = id,
                ["content"] = content,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true
            };
        var json = new JsonObject
        {
            ["added_tokens"] = new JsonArray(Special(0, "<unk>"), Special(1, "<s>"), Special(2, "</s>")),
            ["normalizer"] =
                JsonNode.Parse(
                    """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},"""
                    + """{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = true,
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)$"{m[0]} {m[1]}")])
            },
        };
        File.WriteAllText(Path.Combine(checkpoint, "tokenizer.json"), json.ToJsonString());
        File.WriteAllText(Path.Combine(checkpoint, "tokenizer_config.json"), configuration ?? """{"bos_token":"<s>","eos_token":"</s>"}""");
        Verb.Run("export", "--no-check", "--checkpoint", checkpoint, "--out", _directory["bundle"]).Done();
        return _directory["bundle"];
    }

    [Fact]
    public void Prompts_and_targets_are_read_by_it()
    {
        var bundle = Bundle();
        var output = Verb.Run("graph", "--model", bundle, "--prompt", "the cat\u2603", "--metric", "logit-diff", "--target", " Mary",
            "--foil", "t", "--prepend-bos", "true", "--out", _directory["run"]).Done().Output;
        Assert.Contains(@"0 '<s>'  1 ' the'  2 ' cat'  3 '\xE2'  4 '\x98'  5 '\x83'", output);
        var facts = RunDirectory.Read(_directory["run"]).Facts;
        Assert.Equal((" Mary", "t"), ((string?)facts["target"], (string?)facts["foil"]));
        Assert.Equal(["<s>", " the", " cat", @"\xE2", @"\x98", @"\x83"], facts["token_strings"]!.AsArray().Select(t => (string)t!));
        // the model has 257 ids, the tokenizer fewer
        Assert.Contains(facts["top_tokens"]!.AsArray(), t => ((string)t!["token"]!).StartsWith('['));
    }

    [Fact]
    public void A_target_that_is_several_tokens_is_told_with_the_one_that_a_space_makes_of_it() =>
        Verb.Run("graph", "--model", Bundle(), "--prompt", "the cat", "--target", "Mary", "--out", _directory["run"])
            .Failed(1, "the target 'Mary' is 3 tokens: 'M' 'a' 'ry'", "(--target)", "' Mary' is one");

    [Fact]
    public void A_tokenizer_of_another_kind_is_refused_with_its_file()
    {
        var bundle = Bundle();
        File.WriteAllText(Path.Combine(bundle, "tokenizer.json"), """{"model":{"type":"Unigram"}}""");
        Verb.Run("graph", "--model", bundle, "--prompt", "the cat", "--out", _directory["run"]).Failed(1, "tokenizer.json");
        Assert.False(Directory.Exists(_directory["run"]));
    }

    [Fact]
    public void Documents_of_a_text_are_parted_by_its_end_of_text_or_GPT2s()
    {
        var bundle = Bundle();
        File.WriteAllText(_directory["text.txt"], "the cat\nthe cat Mary\n</s>\nMary the cat\n<|endoftext|>\nthe cat at the cat\n");
        var json = JsonNode.Parse(
            Verb.Run("features", "--model", bundle, "--text", _directory["text.txt"], "--window", "2", "--json").Done().Output)!;
        Assert.Equal((7 + 3 + 7, 3), ((int)json["tokens"]!, (int)json["documents"]!));
    }
}
