using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>What lies beside a vocabulary (added tokens, special tokens,
/// the tokenizer's class), and files as Python, Windows and Git leave them.</summary>
public sealed class TokenizerFilesTests : IDisposable
{
    private static readonly byte[] s_mark = [0xEF, 0xBB, 0xBF];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Tokens_of_added_tokens_json_are_tokens()
    {
        WriteGpt2();
        Write("added_tokens.json", """{"<|sep|>": 257, "<|sep|>er": 258}""");
        var tokenizer = Tokenizer.Open(_directory.Path);
        Assert.Equal(259, tokenizer.Count);
        Assert.Equal(['a', 257, 'b', 258, 256], tokenizer.Encode("a<|sep|>b<|sep|>er<|endoftext|>"));
        Assert.Equal("<|sep|>", tokenizer.TokenText(257));
        Assert.True(tokenizer.TryGetId("<|sep|>", out var id));
        Assert.Equal(257, id);
    }

    [Fact]
    public void Tokenizer_config_goes_before_added_tokens_json_and_knows_of_white_space()
    {
        WriteGpt2();
        Write("added_tokens.json", """{"<|old|>": 257}""");
        Write("tokenizer_config.json", """
            {"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": {
              "256": {"content": "<|endoftext|>", "lstrip": false, "normalized": true, "rstrip": false, "single_word": false,
              "special": true}, "257": {"content": "<|new|>", "lstrip": true, "normalized": false, "rstrip": false, "single_word": false,
              "special": true}}}
            """);
        Assert.Equal(['a', 257, 'b', .. Encoding.ASCII.GetBytes("<|old|>").Select(b => (int)b)],
            Tokenizer.Open(_directory.Path).Encode("a  <|new|>b<|old|>"));
    }

    [Fact]
    public void Tokens_added_behind_a_tokenizer_json_are_tokens()
    {
        Write("tokenizer.json", """{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}""");
        Write("added_tokens.json", """{"<x>": 3, "ab": 2}""");
        Assert.Equal([2, 3, 0], Tokenizer.Open(_directory.Path).Encode("ab<x>a"));
    }

    [Theory]
    [InlineData("added_tokens.json", """{"<x>": 97}""",
        "has the added token '<x>' with the id 97, which the vocabulary beside it contradicts")]
    [InlineData("added_tokens.json", """{"a": 300}""",
        "has the added token 'a' with the id 300, which the vocabulary beside it contradicts")]
    [InlineData("added_tokens.json", """{"<x>": "257"}""", "has an added token '<x>' with the id '257'")]
    [InlineData("added_tokens.json", """{"<x>": NaN}""", "has an added token '<x>' with the id 'NaN'")]
    [InlineData("added_tokens.json", """{"<x>": 4194304}""", "ids are whole numbers from 0 to 4194303")]
    [InlineData("added_tokens.json", """{"": 257}""", "has an added token ''")]
    [InlineData("added_tokens.json", "[]", "is no JSON object")]
    [InlineData("added_tokens.json", "{", "is no JSON (")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": []}""", "has added_tokens_decoder = '[]', which is no object")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"x": {"content": "<x>"}}}""",
        "has an added token '<x>' with the id -1")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"257": "<x>"}}""", "has an added token '<x>' with the id '257'")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"257": {"content": "<x>", "lstrip": 1}}}""",
        "has added_tokens_decoder.257.lstrip = '1': it must be true or false")]
    [InlineData("tokenizer_config.json", """{"tokenizer_class": "Qwen2Tokenizer"}""",
        "has tokenizer_class = 'Qwen2Tokenizer': only a GPT-2's tokenizer is read from vocab.json and merges.txt; "
        + "transformers' AutoTokenizer")]
    [InlineData("tokenizer_config.json", """{"add_prefix_space": true}""", "has add_prefix_space = 'True'")]
    [InlineData("tokenizer_config.json", """{"eos_token": "<|im_end|>"}""",
        "has eos_token = '<|im_end|>', which the tokenizer does not have")]
    public void What_contradicts_the_vocabulary_is_refused_by_name(string file, string text, string reason)
    {
        WriteGpt2();
        Write(file, text);
        var message = Assert.Throws<TokenizerException>(() => Tokenizer.Open(_directory.Path)).Message;
        Assert.StartsWith($"{_directory[file]}: ", message);
        Assert.Contains(reason, message);
    }

    [Fact]
    public void Special_tokens_beside_a_vocabulary_are_its_first_and_last()
    {
        WriteGpt2();
        Write("added_tokens.json", """{"<|start|>": 257}""");
        Write("special_tokens_map.json", """{"bos_token": {"content": "<|start|>", "lstrip": false}, "eos_token": "<|endoftext|>"}""");
        var tokenizer = Tokenizer.Open(_directory.Path);
        Assert.Equal((257, 256), (tokenizer.BeginOfText, tokenizer.EndOfText));
    }

    [Fact]
    public void A_byte_order_mark_in_front_of_any_file_is_passed_over()
    {
        WriteGpt2();
        Write("added_tokens.json", """{"<x>": 257}""");
        Write("special_tokens_map.json", """{"bos_token": "<x>"}""");
        Write("tokenizer_config.json", """{"eos_token": "<|endoftext|>"}""");
        foreach (var file in Directory.GetFiles(_directory.Path)) File.WriteAllBytes(file, [.. s_mark, .. File.ReadAllBytes(file)]);
        var tokenizer = Tokenizer.Open(_directory.Path);
        Assert.Equal((257, 256), (tokenizer.BeginOfText, tokenizer.EndOfText));
        File.WriteAllBytes(_directory["tokenizer.json"],
            [.. s_mark, .. "{\"model\":{\"vocab\":{\"<|endoftext|>\":0,\"<x>\":257},\"merges\":[]}}"u8]);
        Assert.Equal(258, Tokenizer.Open(_directory.Path).Count);
    }

    [Fact]
    public void Numbers_and_repeated_keys_as_Python_writes_them_do_not_matter_where_nobody_asks()
    {
        WriteGpt2();
        Write("tokenizer_config.json",
            """{"model_max_length": Infinity, "x": NaN, "x": -Infinity, "bos_token": "no", "bos_token": "<|endoftext|>"}""");
        Assert.Equal(256, Tokenizer.Open(_directory.Path).BeginOfText);
    }

    [Theory, InlineData("tokenizer.json"), InlineData("vocab.json"), InlineData("merges.txt"), InlineData("tokenizer_config.json"),
        InlineData("added_tokens.json")]
    public void Pointers_and_other_encodings_are_named(string file)
    {
        WriteGpt2();
        Write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1042301\n");
        Assert.StartsWith($"{_directory[file]}: is a Git LFS pointer, not the file of 1,042,301 bytes",
            Assert.Throws<TokenizerException>(() => Tokenizer.Open(_directory.Path)).Message);
        File.WriteAllText(_directory[file], "{}", Encoding.Unicode);
        Assert.StartsWith($"{_directory[file]}: is text in UTF-16",
            Assert.Throws<TokenizerException>(() => Tokenizer.Open(_directory.Path)).Message);
    }

    // bytes are their own ids
    private void WriteGpt2()
    {
        var vocab = new JsonObject();
        for (var b = 0; b < 256; b++) vocab[ByteSymbols.Of((byte)b).ToString()] = b;
        vocab[Gpt2Vocabulary.EndOfTextToken] = 256;
        Write("vocab.json", vocab.ToJsonString());
        Write("merges.txt", "#version: 0.2\n");
    }

    private void Write(string file, string text) => File.WriteAllText(_directory[file], text);
}
