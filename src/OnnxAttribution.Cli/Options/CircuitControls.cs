using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>The option that circuits and faithfulness share.</summary>
internal static class CircuitControls
{
    // each is a run of its own, and its metric is kept
    private const int Most = 1_000_000;

    public static Option<int> Option()
    {
        var option = new Option<int>("--controls")
        {
            Description = "random circuits of equal size to compare with",
            HelpName = "N",
            DefaultValueFactory = _ => 10
        };
        option.AtLeast(0);
        option.AtMost(Most);
        return option;
    }
}
