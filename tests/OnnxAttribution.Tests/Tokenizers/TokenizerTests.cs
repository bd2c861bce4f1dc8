using System.Text;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class TokenizerTests(SmallTokenizers tokenizers) : IClassFixture<SmallTokenizers>
{
    public static TheoryData<string> Families => [.. SmallTokenizers.Names];

    // smollm has no tokens for some bytes, unknown none for most characters; the other normalizes
    [Theory, InlineData("llama3"), InlineData("llama2"), InlineData("mistral"), InlineData("gemma")]
    public void Decoding_what_was_encoded_gives_the_text_back(string family)
    {
        foreach (var text in SmallTokenizers.Texts(family).Where(text => !text.Contains(BytePairVocabulary.SpaceSign)))
        {
            var ids = tokenizers[family].Encode(text);
            // SentencePiece's own space before the first word, and Llama's before every part between special tokens
            var decoded = tokenizers[family].Decode(ids);
            if (family == "llama2") Assert.Equal(text.Replace(" ", ""), decoded.Replace(" ", ""));
            else Assert.Equal(text, family == "mistral" && text.Length > 0 && ids[0] > 2 && text[0] != ' ' ? decoded[1..] : decoded);
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void A_text_cut_where_it_may_be_has_the_tokens_of_the_whole(string family)
    {
        var tokenizer = tokenizers[family];
        var cuts = 0;
        foreach (var text in SmallTokenizers.Texts(family).Chunk(8).Select(some => string.Concat(some)))
        {
            var (ids, done) = (new List<int>(), 0);
            for (var i = 1; i < text.Length; i++)
            {
                if (!tokenizer.MayCut(text[i - 1], text[i])) continue;
                ids.AddRange(tokenizer.Encode(text[done..i], continues: done > 0));
                (done, cuts) = (i, cuts + 1);
            }
            ids.AddRange(tokenizer.Encode(text[done..], continues: done > 0));
            Assert.Equal(tokenizer.Encode(text), ids);
        }
        // mistral's has merges that lead from word to word
        Assert.True(family == "mistral" ? cuts > 10 : cuts > 100, $"{cuts} cuts");
    }

    [Theory]
    [InlineData("pythia", "<|endoftext|>", "<|endoftext|>")]
    [InlineData("llama3", "<|begin_of_text|>", "<|end_of_text|>")]
    [InlineData("qwen2", "<|endoftext|>", "<|endoftext|>")]
    [InlineData("smollm", "<|endoftext|>", "<|endoftext|>")]
    [InlineData("llama2", "<s>", "</s>")]
    public void The_tokens_that_begin_and_end_a_text_are_known_without_further_files(string family, string begin, string end)
    {
        var tokenizer = tokenizers[family];
        Assert.Equal((begin, end), (tokenizer.TokenText(tokenizer.BeginOfText!.Value), tokenizer.TokenText(tokenizer.EndOfText!.Value)));
    }

    [Theory, InlineData("llama2"), InlineData("mistral"), InlineData("gemma")]
    public void A_token_that_begins_a_word_is_found_and_shown_with_a_space(string family)
    {
        var tokenizer = tokenizers[family];
        Assert.True(tokenizer.TryGetId(" the", out var id));
        Assert.Equal((" the", " the"), (tokenizer.TokenText(id), Encoding.UTF8.GetString(tokenizer.TokenBytes(id))));
        Assert.True(tokenizer.TryGetId("t", out var inner));
        Assert.Equal("t", tokenizer.TokenText(inner));
        Assert.Equal(@"\xE2", tokenizer.TokenText(tokenizer.Encode("\u2603")[^3]));
        Assert.Equal("\n", tokenizer.TokenText(tokenizer.Encode("a\n")[^1]));
    }

    [Theory, MemberData(nameof(Families))]
    public void A_target_is_the_token_with_its_text_and_no_other(string family)
    {
        PromptTokens Of(string target) =>
            PromptTokens.Of(new PromptTask("When", target), tokenizers[family], prependBos: family != "gemma");
        var word = Of(" the");
        Assert.Equal(" the", tokenizers[family].TokenText(word.Target!.Value));
        Assert.Equal("t", tokenizers[family].TokenText(Of("t").Target!.Value));
        if (family == "gemma") return;
        Assert.Equal(tokenizers[family].BeginOfText, word.Clean[0]);
        Assert.Equal(tokenizers[family].Encode("When"), word.Clean[1..]);
    }

    [Fact]
    public void Without_a_token_that_begins_texts_none_can_be_asked_for()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["tokenizer.json"], """{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}""");
        var tokenizer = Tokenizer.Open(directory.Path);
        var message = Assert.Throws<TokenizerException>(() => PromptTokens.Of(new PromptTask("ab"), tokenizer, prependBos: true)).Message;
        Assert.Contains("tokenizer.json: names no token that begins a text", message);
        Assert.Contains("begin prompts without one", message);
        Assert.Equal([2], PromptTokens.Of(new PromptTask("ab"), tokenizer, prependBos: false).Clean);
    }

    [Theory, MemberData(nameof(Families))]
    public void Ids_beyond_the_tokenizer_have_a_text(string family) =>
        Assert.All(Enumerable.Range(0, tokenizers[family].Count + 3), id => Assert.NotEmpty(tokenizers[family].TokenText(id)));

    [Theory, MemberData(nameof(Families))]
    public void Texts_of_random_characters_never_fail(string family)
    {
        var random = new Random(3);
        for (var round = 0; round < 200; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(60))
                .Select(_ => (char)random.Next(random.Next(2) == 0 ? 0x250 : 0x10000)));   // lone surrogates too
            Assert.All(tokenizers[family].Encode(text), id => Assert.InRange(id, 0, tokenizers[family].Count - 1));
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void A_lone_surrogate_is_encoded_as_the_replacement_character(string family) =>
        Assert.Equal(tokenizers[family].Encode("a\ufffdb é\ufffd"), tokenizers[family].Encode("a\ud800b é\udc00"));

    [Theory, InlineData("llama2"), InlineData("pythia"), InlineData("llama3"), InlineData("mistral")]
    public void A_word_of_a_hundred_thousand_letters_takes_no_more_time_than_a_text(string family)
    {
        var random = new Random(4);
        var text = string.Concat(Enumerable.Range(0, 100_000).Select(_ => (char)('a' + random.Next(26))));
        var tokens = tokenizers[family].Encode(text);
        Assert.Equal(text, tokenizers[family].Decode(tokens).TrimStart(' '));
        Assert.InRange(tokens.Length, 50_000, 100_000);
    }

    [Fact]
    public void Several_threads_may_encode_at_once()
    {
        var tokenizer = tokenizers["llama2"];
        var expected = SmallTokenizers.Texts("llama2").ToDictionary(text => text, text => tokenizer.Encode(text));
        Parallel.ForEach(expected.Concat(expected), e => Assert.Equal(e.Value, tokenizer.Encode(e.Key)));
    }
}
