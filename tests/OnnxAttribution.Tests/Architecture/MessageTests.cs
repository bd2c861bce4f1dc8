using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>
/// The library's messages name things and settings, not the command line's options and commands:
/// an exception says with its settings and its next step what it is about, and the command line names them.
/// </summary>
public partial class MessageTests
{
    // files whose strings are no messages to a caller
    private static readonly Dictionary<string, string> s_others = new()
    {
        ["View/DashboardCards.cs"] = "who reads a page has no program at hand that could name the command",
        ["Dashboards/CollectionState.cs"] = "the first words of a file tell its format",
        ["Store/SubgraphFile.cs"] = "the first words of a file tell its format",
        ["View/Page/AblateLine.cs"] = "who reads a page copies the command from it",
    };

    [Fact]
    public void No_string_of_the_library_names_an_option_or_a_command() =>
        Assert.Empty(
            from file in SourceTree.Files("src/OnnxAttribution")
            where !s_others.ContainsKey(file.Path)
            from text in SourceTree.Strings().Matches(Joined().Replace(file.Code, ""))
            where OfCommandLine().IsMatch(text.Value)
            select $"{file.Path}: {text.Value}");

    [Theory]
    [InlineData("\"give --force to replace it\"", true)]
    [InlineData("\"--position 7 is outside the prompt\"", true)]
    [InlineData("\"'onnx-attribution view RUN --force' draws it\"", true)]
    [InlineData("\"'onnx-attribution view RUN' draws it\"", true)]
    [InlineData("\"onnx-attribution\"", false)]
    [InlineData("\"a -- b, and x--y\"", false)]
    public void An_option_or_a_command_is_found(string text, bool named) =>
        Assert.Equal(named, OfCommandLine().IsMatch(text));

    // "a " + $"b"  is one text
    [GeneratedRegex("""(?<!\\)"\s*\+\s*\$?"(?!")""")]
    private static partial Regex Joined();

    // --sites, or onnx-attribution graph
    [GeneratedRegex("""(?<![\w-])--[a-z]|onnx-attribution [a-z]""")]
    private static partial Regex OfCommandLine();
}
