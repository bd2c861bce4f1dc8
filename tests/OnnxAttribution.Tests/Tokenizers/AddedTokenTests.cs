using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>The expectations are those of the tests in Hugging Face's
/// tokenizers/src/tokenizer/added_vocabulary.rs, texts lowercased by hand.</summary>
public sealed class AddedTokenTests
{
    private static IEnumerable<string> Split(string text, params AddedToken[] tokens) =>
        new AddedTokenFinder(tokens).Split(text).Select(part => $"{(part.Id is { } id ? $"{id}:" : "")}{text[part.Start..part.End]}");

    private static AddedToken Token(int id, string content, bool single = false, bool left = false, bool right = false) =>
        new(id, content, single, left, right, IsNormalized: false);

    [Fact]
    public void Tokens_may_take_the_white_space_beside_them() => Assert.Equal(["3:[cls]", "0: my ", "1:name", " is anthony ", "4:[sep]"],
        Split("[cls] my name is anthony [sep]", Token(0, "my", left: true, right: true), Token(1, "name"), Token(2, "ony", single: true),
            Token(3, "[cls]"), Token(4, "[sep]")));

    [Fact]
    public void A_single_word_has_no_word_beside_it()
    {
        var mask = Token(0, "<mask>", single: true);
        Assert.Equal(["0:<mask>", " my name ", "0:<mask>", " a<mask> <mask>ony ", "0:<mask>"],
            Split("<mask> my name <mask> a<mask> <mask>ony <mask>", mask));
        Assert.Equal(["0:<mask>", ", ", "0:<mask>", "- \u25cc\u0330<mask>"], Split("<mask>, <mask>- \u25cc\u0330<mask>", mask));
    }

    [Fact]
    public void White_space_is_taken_once() => Assert.Equal(["hi", "0: <mask> ", "there", "0:\t<mask>\t", "0:<mask>\u2000"],
        Split("hi <mask> there\t<mask>\t<mask>\u2000", Token(0, "<mask>", single: true, left: true, right: true)));

    [Fact]
    public void Of_several_at_one_place_the_longest_is_taken() =>
        Assert.Equal(["a", "1:   ", "b", "0:  ", "c d"], Split("a   b  c d", Token(0, "  "), Token(1, "   ")));

    [Fact]
    public void Special_tokens_that_are_normalized_are_looked_for_as_the_normalizer_writes_them()
    {
        // older conversions of Llama 2: Prepend gives the token a sign that the text has only at the beginning of a part
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["tokenizer.json"], """
            {"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":true}],
             "normalizer":{"type":"Prepend","prepend":"▁"},
             "model":{"type":"BPE","unk_token":"?","vocab":{"<s>":0,"?":1,"▁":2,"a":3,"▁a":4,"<":5,"s":6,">":7},"merges":["▁ a"]}}
            """);
        var tokenizer = Tokenizer.Open(directory.Path);
        Assert.Equal([0, 3], tokenizer.Encode("<s>a"));
        Assert.Equal([4, 5, 6, 7], tokenizer.Encode("a<s>"));
    }
}
