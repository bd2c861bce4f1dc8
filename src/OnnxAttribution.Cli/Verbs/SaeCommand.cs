using System.CommandLine;
using OnnxAttribution.Cli.Options;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>sae</c>: what is done with dictionaries themselves.</summary>
internal static class SaeCommand
{
    private const string Description = """
        Work with a bundle's dictionaries (sparse autoencoders) themselves.

        Example: onnx-attribution sae check --model models/tiny
        """;

    public static Command Create(CommonOptions common) => new("sae", Description) { SaeCheckCommand.Create(common) };
}
