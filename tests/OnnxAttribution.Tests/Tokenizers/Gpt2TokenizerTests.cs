using System.Text;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class Gpt2TokenizerTests(Gpt2TokenizerFixture fixture) : IClassFixture<Gpt2TokenizerFixture>
{
    private readonly Tokenizer _tokenizer = fixture.Tokenizer;

    [Fact]
    public void The_same_vocabulary_as_tokenizer_json_gives_the_same_ids()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["tokenizer.json"], Gpt2TokenizerJson.Of(Path.GetDirectoryName(Gpt2TokenizerFixture.VocabPath)!));
        var tokenizer = Tokenizer.Open(directory.Path);
        Assert.Equal((50257, 50256, 50256), (tokenizer.Count, tokenizer.BeginOfText, tokenizer.EndOfText));
        Assert.All(Texts(), text => Assert.Equal(_tokenizer.Encode(text), tokenizer.Encode(text)));
    }

    [Fact]
    public void Decoding_what_was_encoded_gives_the_text_back() =>
        Assert.All(Texts(), text => Assert.Equal(text, _tokenizer.Decode(_tokenizer.Encode(text))));

    [Fact]
    public void Texts_of_random_code_points_come_back_unchanged()
    {
        var random = new Random(1);
        for (var round = 0; round < 300; round++)
        {
            var text = new StringBuilder();
            for (var i = random.Next(40); i > 0; i--) text.Append(RandomRune(random));
            Assert.Equal(text.ToString(), _tokenizer.Decode(_tokenizer.Encode(text.ToString())));
        }
    }

    [Fact]
    public void The_text_of_the_special_token_is_one_token() =>
        Assert.Equal([64, 50256, 65], _tokenizer.Encode("a<|endoftext|>b"));

    [Fact]
    public void An_empty_text_has_no_tokens() => Assert.Empty(_tokenizer.Encode(""));

    [Fact]
    public void A_lone_surrogate_is_encoded_as_the_replacement_character() =>
        Assert.Equal("a\ufffdb\ufffd", _tokenizer.Decode(_tokenizer.Encode("a\ud800b\udc00")));

    [Fact]
    public void Nul_characters_do_not_end_the_text() =>
        Assert.Equal([64, 188, 189, 188, 65], _tokenizer.Encode("a\0\u0001\0b"));

    [Fact]
    public void A_long_text_encodes_as_its_lines_do()
    {
        var line = _tokenizer.Encode("It's the 2nd line\u0085 — with \0 and 中文.\n");
        var text = string.Concat(Enumerable.Repeat("It's the 2nd line\u0085 — with \0 and 中文.\n", 5000));
        Assert.True(text.Length > 150_000);
        Assert.Equal(Enumerable.Repeat(line, 5000).SelectMany(ids => ids), _tokenizer.Encode(text));
    }

    [Fact]
    public void Every_token_has_bytes_and_a_text_without_byte_symbols()
    {
        Assert.Equal(50257, _tokenizer.Count);
        Assert.Equal(50256, _tokenizer.EndOfText);
        Assert.All(Enumerable.Range(0, _tokenizer.Count), id => Assert.NotEmpty(_tokenizer.TokenBytes(id)));
        Assert.Equal(" Paris", _tokenizer.TokenText(6342));
        Assert.Equal("<|endoftext|>", _tokenizer.TokenText(50256));
        Assert.Equal(@" \xC2", _tokenizer.TokenText(IdOfBytes([0x20, 0xC2])));
        Assert.Equal(@"\xE2\x80", _tokenizer.TokenText(IdOfBytes([0xE2, 0x80])));
    }

    [Fact]
    public void A_token_is_found_by_its_text()
    {
        Assert.True(_tokenizer.TryGetId(" Paris", out var id));
        Assert.Equal(6342, id);
        Assert.False(_tokenizer.TryGetId(" Paris is", out _));
        Assert.False(_tokenizer.TryGetId("", out _));
    }

    [Theory, InlineData(-1), InlineData(50257)]
    public void An_id_outside_the_vocabulary_has_no_bytes(int id)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.TokenBytes(id));
        Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.Decode([id]));
    }

    [Fact]
    public void An_id_of_a_padded_vocabulary_is_shown_as_its_number()
    {
        Assert.Equal("[50300]", _tokenizer.TokenText(50300));
        Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.TokenText(-1));
    }

    [Fact]
    public void Several_threads_may_encode_at_once()
    {
        var expected = _tokenizer.Encode("Hello, world!");
        Parallel.For(0, 200, _ => Assert.Equal(expected, _tokenizer.Encode("Hello, world!")));
    }

    private int IdOfBytes(byte[] bytes) =>
        Enumerable.Range(0, _tokenizer.Count).First(id => _tokenizer.TokenBytes(id).AsSpan().SequenceEqual(bytes));

    private static string RandomRune(Random random)
    {
        int[] ranges = [0x80, 0x100, 0x800, 0x3000, 0x10000, 0x110000];
        int value;
        do value = random.Next(ranges[random.Next(ranges.Length)]);
        while (!Rune.IsValid(value));
        return new Rune(value).ToString();
    }

    private static IReadOnlyList<string> Texts() => DifficultTexts.Of(["<|endoftext|>"], 500);
}
