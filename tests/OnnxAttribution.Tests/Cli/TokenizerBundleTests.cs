using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A model of Llama's type with a SentencePiece-style tokenizer.json, from its checkpoint to the tables.</summary>
public sealed class TokenizerBundleTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Bundle(string? configuration = null)
    {
        string[][] merges = [["\u2581", "t"], ["h", "e"], ["\u2581t", "he"], ["\u2581", "M"], ["r", "y"], ["\u2581M", "a"],
            ["\u2581Ma", "ry"], ["a", "t"], ["\u2581", "c"], ["\u2581c", "at"]];
        string[] vocabulary = ["<unk>", "<s>", "</s>", "<0x0A>", "<0xE2>", "<0x98>", "<0x83>", "\u2581", "t", "h", "e", "M", "a",
            "r", "y", "c", .. merges.Select(m => m[0] + m[1])];
        var checkpoint = new SentencePieceCheckpoint(vocabulary, merges.Select(m => $"{m[0]} {m[1]}"), ["<unk>", "<s>", "</s>"])
        {
            ByteFallback = true,
            Special = true,
            Configuration = configuration ?? """{"bos_token":"<s>","eos_token":"</s>"}"""
        }.Write(_directory["checkpoint"]);
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
