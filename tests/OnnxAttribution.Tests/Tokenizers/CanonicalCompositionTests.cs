using System.Text;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class CanonicalCompositionTests
{
    private static readonly CanonicalComposition s_composition = CanonicalComposition.Read();

    // the first five: figures 5 and 6 of Unicode's Annex 15; further ones by JavaScript's normalize
    [Theory]
    [InlineData("D\u0307\u0323", "\u1e0c\u0307")]
    [InlineData("\u1e0a\u0323", "\u1e0c\u0307")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307")]
    [InlineData("\u212b\u2126", "\u00c5\u03a9")]
    [InlineData("\u1e9b\u0323", "\u1e9b\u0323")]
    [InlineData("\u1100\u1161\u11a8\u1100\u1161\uac00\u11a8", "\uac01\uac00\uac01")]
    [InlineData("\u0958\ufb1d\u2adc", "\u0915\u093c\u05d9\u05b4\u2add\u0338")]
    [InlineData("a\u05ae\u0300\u0315\u0062", "\u00e0\u05ae\u0315b")]
    [InlineData("\ud834\udd5e\ud804\udc99\ud804\udcba", "\ud834\udd57\ud834\udd65\ud804\udc9a")]
    [InlineData("\u09c7\u09be \u0b47\u0b57\u1100\u0300\u1161", "\u09cb \u0b4c\u1100\u0300\u1161")]
    [InlineData("\u0344\u0340\ufa0e\uf900", "\u0308\u0301\u0300\ufa0e\u8c48")]
    [InlineData("", "")]
    public void Text_is_composed(string text, string composed) => Assert.Equal(composed, s_composition.Compose(text));

    [Fact]
    public void What_is_composed_stays_as_it_is()
    {
        var random = new Random(6);
        for (var round = 0; round < 500; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => new Rune(random.Next(4) switch
            {
                0 => random.Next(0x300, 0x370),
                1 => random.Next(0x1100, 0x1200),
                2 => random.Next(0x41, 0x250),
                _ => random.Next(0x900, 0xd000)
            }).ToString()));
            var composed = s_composition.Compose(text);
            Assert.Equal(composed, s_composition.Compose(composed));
        }
    }

    [Fact]
    public void Plain_text_is_not_copied()
    {
        var text = new string('é', 10);
        Assert.Same(text, s_composition.Compose(text));
    }
}
