using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>What export says of a tokenizer, so that the first prompt has no bad news.</summary>
public sealed class ExportTokenizerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("vocab.json", null, "no such file")]
    [InlineData("merges.txt", null, "no such file")]
    [InlineData("vocab.json", "{\"a\": 0,", "JSON")]
    [InlineData("merges.txt", "#version: 0.2\nzz qq\n", "zz")]
    [InlineData("tokenizer.json", "{\"model\":{\"type\":\"BPE\",", "JSON")]
    [InlineData("tokenizer.json", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "Unigram")]
    [InlineData("tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}}}", "has no model.merges")]
    public void A_tokenizer_that_is_broken_or_lacks_a_file_is_refused_before_a_bundle_is_made(string file, string? text, string words)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        File.Delete(Path.Combine(checkpoint, file));
        if (text is not null) File.WriteAllText(Path.Combine(checkpoint, file), text);
        Verb.Run("export", "--checkpoint", checkpoint, "--out", _directory["bundle"]).Failed(1, Path.Combine(checkpoint, file), words);
        Assert.False(Directory.Exists(_directory["bundle"]));
    }

    [Fact]
    public void A_model_without_a_tokenizer_becomes_a_bundle_with_a_warning()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        foreach (var file in (string[])["vocab.json", "merges.txt"]) File.Delete(Path.Combine(checkpoint, file));
        var export = Verb.Run("export", "--checkpoint", checkpoint, "--out", _directory["mute"]);
        Assert.Equal(0, export.Code);
        Assert.StartsWith($"warning: the bundle takes no prompts: {Path.Combine(checkpoint, "vocab.json")}", export.Error);
        Assert.Single(export.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public void A_directory_that_is_given_for_its_tokenizer_has_to_have_one()
    {
        using var foreign = new ForeignModel("gpt2-17");
        foreign.Write();
        var empty = Directory.CreateDirectory(_directory["empty"]).FullName;
        Verb.Run("export", "--onnx", foreign.OnnxPath, "--sites", foreign.SitesPath, "--tokenizer", empty, "--out", foreign.Bundle)
            .Failed(1, Path.Combine(empty, "vocab.json"));
        Assert.False(Directory.Exists(foreign.Bundle));
    }

    [Fact]
    public void A_tokenizer_with_more_tokens_than_the_model_is_warned_of()
    {
        using var foreign = new ForeignModel("gpt2-17");
        foreign.Write();
        var export = Verb.Run("export", "--onnx", foreign.OnnxPath, "--sites", foreign.SitesPath, "--tokenizer", Repository.TinyModel,
            "--out", foreign.Bundle);
        Assert.Equal(0, export.Code);
        Assert.Contains("warning: the tokenizer has 4,096 tokens and the model 257", export.Error);
    }

    [Fact]
    public void A_model_of_a_kind_that_is_not_known_is_told_before_its_tokenizer()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        File.WriteAllText(Path.Combine(checkpoint, "config.json"), """{"model_type": "bert"}""");
        File.WriteAllText(Path.Combine(checkpoint, "tokenizer.json"), """{"model":{"type":"WordPiece"}}""");
        Verb.Run("export", "--checkpoint", checkpoint, "--out", _directory["bundle"]).Failed(1, "'bert'", "not supported");
    }
}
