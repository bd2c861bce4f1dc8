using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class Gpt2VocabularyTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_vocabulary_of_bytes_and_one_merge_encodes()
    {
        var tokenizer = Open(Bytes(), "#version: 0.2\na b\n");
        Assert.Equal(258, tokenizer.Count);
        Assert.Equal([256, 'a', 257, 'b', 256, 0], tokenizer.Encode("aba<|endoftext|>bab\0"));
    }

    /// <summary>facebook/opt-125m has GPT-2's files, and no &lt;|endoftext|&gt;.</summary>
    [Fact]
    public void Opts_vocabulary_begins_and_ends_a_text_with_the_end_of_a_sentence()
    {
        var vocab = Bytes();
        var id = (int)vocab["<|endoftext|>"]!;
        vocab.Remove("<|endoftext|>");
        vocab["</s>"] = id;
        var tokenizer = Open(vocab, "#version: 0.2\na b\n");
        Assert.Equal((id, id), (tokenizer.BeginOfText, tokenizer.EndOfText));
        Assert.Equal([256, id, 'a'], tokenizer.Encode("ab</s>a"));
    }

    [Fact]
    public void Windows_line_ends_in_merges_are_accepted()
    {
        var tokenizer = Open(Bytes(), "#version: 0.2\r\na b\r\n");
        Assert.Equal([256], tokenizer.Encode("ab"));
    }

    [Fact]
    public void A_nul_that_merges_is_merged()
    {
        var vocab = Bytes();
        vocab["Ā!"] = 258;
        var tokenizer = Open(vocab, "Ā !\na b\n");
        Assert.Equal([256], tokenizer.Encode("ab"));
        Assert.Equal(['a', 0, 258, 257, 0], tokenizer.Encode("a\0\0!<|endoftext|>\0"));
    }

    [Theory]
    [InlineData("", "is not text in UTF-8")]
    [InlineData("[]", "is no JSON object of token ids")]
    [InlineData("{", "is no JSON object of token ids")]
    [InlineData("""{"a":"b"}""", "is no JSON object of token ids")]
    [InlineData("""{"\ud800":0}""", "is no JSON object of token ids")]
    [InlineData("""{"a":0,"a":NaN}""", "is no JSON object of token ids")]
    [InlineData("""{"a":1}""", "ids must be 0 to 0, each once")]
    [InlineData("""{"a":0,"b":0}""", "ids must be 0 to 1, each once")]
    [InlineData("""{"a b":0}""", "which is not spelled in GPT-2's byte symbols")]
    [InlineData("""{"":0}""", "which is not spelled in GPT-2's byte symbols")]
    [InlineData("""{"a":0}""", "has no token for the byte 0x00")]
    public void A_bad_vocabulary_is_refused(string json, string reason) =>
        Refused(Write("vocab.json", json), Merges("a b\n"), "vocab.json", reason);

    [Fact]
    public void A_vocabulary_without_the_special_token_is_refused()
    {
        var vocab = Bytes();
        vocab.Remove("<|endoftext|>");
        Refused(Vocab(vocab), Merges("a b\n"), "vocab.json", "has no token '<|endoftext|>'");
    }

    [Theory]
    [InlineData("#version: 0.2\n", "has no merges")]
    [InlineData("a b c\n", "line 1 is 'a b c', not two tokens")]
    [InlineData("a b\n\nab\n", "line 3 is 'ab', not two tokens")]
    [InlineData("a b\na b\n", "line 2 repeats the merge 'a b'")]
    [InlineData("a c\n", "line 1 names 'ac', which is not in vocab.json")]
    [InlineData("a b\0", "is not text in UTF-8")]
    public void Bad_merges_are_refused(string text, string reason) => Refused(Vocab(Bytes()), Merges(text), "merges.txt", reason);

    [Fact]
    public void A_missing_file_is_named()
    {
        Refused(Path.Combine(_directory.Path, "none.json"), Merges("a b\n"), "none.json", "there is no such file");
        Refused(Vocab(Bytes()), _directory.Path, _directory.Path, "cannot be read");
    }

    [Fact]
    public void Damage_to_a_vocabulary_never_escapes_as_another_exception()
    {
        var whole = Encoding.UTF8.GetBytes(Bytes().ToJsonString());
        var random = new Random(2);
        for (var round = 0; round < 300; round++)
        {
            var bytes = whole.ToArray();
            for (var i = random.Next(1, 4); i > 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var path = Path.Combine(_directory.Path, "vocab.json");
            File.WriteAllBytes(path, bytes[..random.Next(bytes.Length / 2, bytes.Length + 1)]);
            if (Record.Exception(() => Gpt2Vocabulary.Read(path, Merges("a b\n"))) is { } e)
            {
                Assert.DoesNotContain('\n', Assert.IsType<TokenizerException>(e).Message);
            }
        }
    }

    private void Refused(string vocab, string merges, string file, string reason)
    {
        var message = Assert.Throws<TokenizerException>(() => Gpt2Vocabulary.Read(vocab, merges)).Message;
        Assert.Contains(reason, message);
        Assert.Contains(file, message.Split(": ")[0]);
        Assert.DoesNotContain('\n', message);
    }

    /// <summary>One token per byte, ab = 256, the special token = 257.</summary>
    private static JsonObject Bytes()
    {
        var vocab = new JsonObject();
        for (var b = 0; b < 256; b++) vocab[ByteSymbols.Of((byte)b).ToString()] = b;
        vocab["ab"] = 256;
        vocab["<|endoftext|>"] = 257;
        return vocab;
    }

    private Tokenizer Open(JsonObject vocab, string merges)
    {
        Vocab(vocab);
        Merges(merges);
        return Tokenizer.Open(_directory.Path);
    }

    private string Vocab(JsonObject vocab) => Write("vocab.json", JsonSerializer.Serialize(vocab));

    private string Merges(string text) => Write("merges.txt", text);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_directory.Path, name);
        File.WriteAllText(path, text);
        return path;
    }
}
