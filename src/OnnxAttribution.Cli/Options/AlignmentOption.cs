using System.CommandLine;
using OnnxAttribution.Comparison;

namespace OnnxAttribution.Cli.Options;

/// <summary><c>--align</c>, for every verb that compares two runs.</summary>
internal static class AlignmentOption
{
    private const string Position = "position", Feature = "feature";

    public static Option<string> Create() => ChoiceOptions.OneOf("--align",
        "which nodes of two runs are the same: by site, feature and position, or by site and feature, summed over positions",
        Position, Feature);

    public static RunAlignment Of(string name) => name == Feature ? RunAlignment.Feature : RunAlignment.Position;
}
