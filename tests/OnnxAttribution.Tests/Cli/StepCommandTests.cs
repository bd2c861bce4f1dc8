using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The command for each next step that a message of the library may have.</summary>
public sealed class StepCommandTests
{
    public static TheoryData<string> Steps => [.. Enum.GetNames<StepKind>()];

    [Theory, MemberData(nameof(Steps))]
    public void Its_verb_and_its_options_are_known(string step)
    {
        var words = StepCommand.Of(new NextStep(Enum.Parse<StepKind>(step))).Split(' ');
        Assert.Equal("onnx-attribution", words[0]);
        var help = Verb.Run(words[1], "--help").Done().Output;
        Assert.All(words.Where(w => w.StartsWith("--", StringComparison.Ordinal)), option => Assert.Contains(option, help));
    }

    [Theory]
    [InlineData("DrawPage", "view runs/x")]
    [InlineData("DrawPageAnew", "view runs/x --force")]
    [InlineData("CollectFeatures", "features --model runs/x --text FILE")]
    [InlineData("Export", "export --checkpoint DIR --out runs/x")]
    public void It_names_the_run_or_bundle_where_that_is_known(string step, string command) =>
        Assert.Equal($"onnx-attribution {command}", StepCommand.Of(new NextStep(Enum.Parse<StepKind>(step), "runs/x")));
}
