using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class PiecePatternTests
{
    private static IEnumerable<string> Cut(PiecePattern pattern, string text, PieceCut cut = PieceCut.Isolated, bool invert = false)
    {
        var pieces = new List<ReadOnlyMemory<char>>();
        pattern.Cut(text.AsMemory(), cut, invert, pieces);
        return pieces.Select(piece => piece.ToString());
    }

    // the table of Hugging Face's tokenizers/src/pre_tokenizers/split.rs, whose pattern is the inverse
    [Theory]
    [InlineData("Removed", "How|are|you|doing|?")]
    [InlineData("Isolated", "How| |are| |you| |doing|?")]
    [InlineData("MergedWithPrevious", "How |are |you |doing|?")]
    [InlineData("MergedWithNext", "How| are| you| doing|?")]
    [InlineData("Contiguous", "How| |are| |you| |doing?")]
    public void Matches_are_cut_as_their_behaviour_says(string cut, string pieces) =>
        Assert.Equal(pieces.Split('|'),
            Cut(PiecePattern.Of(@"[\p{L}\p{N}]+|[^\p{L}\p{N}\s]+"), "How are you doing?", Enum.Parse<PieceCut>(cut), invert: true));

    [Fact]
    public void Characters_beyond_the_basic_plane_have_their_categories() => Assert.Equal(["𠀀𝐀a", "𝟏𝟐1", " 🙂🙂!", "\ud800"],
        Cut(PiecePattern.Of(@"\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+"), "𠀀𝐀a𝟏𝟐1 🙂🙂!\ud800")
            .SelectMany(piece => piece.EndsWith('\ud800') ? new[] { piece[..^1], "\ud800" } : [piece]));

    [Fact]
    public void Case_is_ignored_where_the_pattern_says_so() =>
        Assert.Equal(["'S", "t", "'ſ", "'Ll", "K"],
            Cut(PiecePattern.Of("(?i:'s|'ll|k)"), "'St'ſ'Ll\u212a").Select(piece => piece.Replace('\u212a', 'K')));

    [Theory]
    [InlineData(@"a++b", "(?>a+)b")]
    [InlineData(@"[^\r\n]?+\p{L}", @"(?>[^\r\n]?)\p{L}")]
    [InlineData(@"(?:ab)*+", "(?>(?:ab)*)")]
    [InlineData(@"a{1,3}+", "(?:a{1,3})+")]
    [InlineData(@"\x{4e00}[\u4e00-\u9fa5]", @"\u4E00[\u4E00-\u9FA5]")]
    public void What_Ruby_spells_otherwise_is_rewritten(string oniguruma, string net) =>
        Assert.Equal(net, PiecePatternText.Translate(oniguruma));

    [Theory]
    [InlineData(@"\h", @"'\h'")]
    [InlineData(@"\p{Han}+", @"'\p{Han}+'")]
    [InlineData("[a&&b]", "'&&'")]
    [InlineData("[[:alpha:]]", "'[ in ['")]
    [InlineData("^a", "'^'")]
    [InlineData("a$", "'$'")]
    [InlineData(@"\bfoo", @"'\bfoo'")]
    [InlineData("(?m:a)", "'(?m:'")]
    [InlineData("(?<name>a)", "'(?<n'")]
    [InlineData("a{2}?", "'{2}'")]
    [InlineData("a{,3}", "'{,3}'")]
    [InlineData("[😀]", "beyond U+FFFF")]
    [InlineData("(?i:[a-z])", "'[ in (?i:'")]
    [InlineData("(a", "a group is not closed")]
    [InlineData("a)", "a group is closed that was not opened")]
    [InlineData("[a", "a class is not closed")]
    [InlineData("*a", "'*'")]
    [InlineData("[z-a]", "at character 4 (reversed character range)")]
    public void What_would_be_read_differently_is_refused(string oniguruma, string reason) =>
        Assert.Contains(reason, Assert.Throws<FormatException>(() => PiecePattern.Of(oniguruma)).Message);
}
