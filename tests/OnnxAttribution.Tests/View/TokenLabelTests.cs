using System.Xml.Linq;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View;

public sealed class TokenLabelTests
{
    [Theory]
    [InlineData(" (", "␣("), InlineData("a b ", "a b␣"), InlineData("\n", "⏎"), InlineData("   ", "␣␣␣"), InlineData("", "''"),
        InlineData("\t\r\0", "⇥↵□"), InlineData("\u202eabc", "□abc"), InlineData("é😀", "é😀")]
    public void A_token_is_shown_on_one_line_with_its_ends_to_be_seen(string token, string shown) =>
        Assert.Equal(shown, TokenLabel.Of(token));

    [Fact]
    public void Long_texts_are_cut_where_there_is_no_more_room_and_never_within_a_character()
    {
        Assert.Equal("aaaaaaa…", TokenLabel.Of(new string('a', 50), 8));
        Assert.Equal("😀😀😀…", TokenLabel.Of(string.Concat(Enumerable.Repeat("😀", 50)), 4));
        Assert.StartsWith("…", TokenLabel.FitEnd(new string('a', 500) + "end", 100, 10));
        Assert.EndsWith("end", TokenLabel.FitEnd(new string('a', 500) + "end", 100, 10));
        Assert.True(TokenLabel.Width(TokenLabel.Fit(new string('w', 500), 100, 10), 10) <= 101);
    }

    [Fact]
    public void Whatever_is_escaped_comes_back_from_a_parser_but_for_what_xml_cannot_hold()
    {
        foreach (var token in PictureSamples.HostileTokens.Where(t => !t.Any(c => c is '\0' or '\u0001' or '\ud800' or '\ufffe')))
        {
            var back = XDocument.Parse($"<a b=\"{XmlText.Escape(token)}\">{XmlText.Escape(token)}</a>",
                LoadOptions.PreserveWhitespace).Root!;
            Assert.Equal((token, token), (back.Value, (string)back.Attribute("b")!));
        }
        Assert.Equal("␀\ufffd\ufffd", XmlText.Escape("\0\ud800\ufffe"));
    }
}
