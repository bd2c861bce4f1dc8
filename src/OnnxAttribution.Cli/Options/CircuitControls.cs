using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>The option that circuits and faithfulness share.</summary>
internal static class CircuitControls
{
    public static Option<int> Option()
    {
        var option = new Option<int>("--controls")
        {
            Description = "random circuits of equal size to compare with",
            HelpName = "N",
            DefaultValueFactory = _ => 10
        };
        option.AtLeast(0);
        return option;
    }
}
