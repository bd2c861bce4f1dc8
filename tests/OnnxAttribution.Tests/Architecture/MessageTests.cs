using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>
/// The library's messages name things and settings, not the command line's options:
/// an exception says with its settings which ones it is about, and the command line names them.
/// Whole commands, which tell what to type, may have options in them.
/// </summary>
public partial class MessageTests
{
    [Fact]
    public void No_string_of_the_library_names_an_option_outside_a_command() =>
        Assert.Empty(
            from file in SourceTree.Files("src/OnnxAttribution")
            from text in SourceTree.Strings().Matches(Joined().Replace(file.Code, ""))
            where Option().IsMatch(Command().Replace(text.Value, ""))
            select $"{file.Path}: {text.Value}");

    [Theory]
    [InlineData("\"give --force to replace it\"", true)]
    [InlineData("\"--position 7 is outside the prompt\"", true)]
    [InlineData("\"'onnx-attribution view RUN --force' draws it\"", false)]
    [InlineData("\"'onnx-attribution view RUN' draws it, or --force\"", true)]
    [InlineData("\"a -- b, and x--y\"", false)]
    public void An_option_is_found(string text, bool named) => Assert.Equal(named, Option().IsMatch(Command().Replace(text, "")));

    // "a " + $"b"  is one text
    [GeneratedRegex("""(?<!\\)"\s*\+\s*\$?"(?!")""")]
    private static partial Regex Joined();

    // 'onnx-attribution VERB …' within a text, or as the whole of one
    [GeneratedRegex("""['"](onnx-attribution|hf) (?:\{[^{}]*\}|[^'"])*['"]?""")]
    private static partial Regex Command();

    [GeneratedRegex("""(?<![\w-])--[a-z]""")]
    private static partial Regex Option();
}
