using System.Diagnostics;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The command line's program as a process: this build's, or the one that the variable ONNX_ATTRIBUTION names, such as the
/// archive's.</summary>
internal static class TestedProgram
{
    /// <summary>Path of the program to test instead of this build's; null: there is none.</summary>
    public static string? Other { get; } = Environment.GetEnvironmentVariable("ONNX_ATTRIBUTION") is { Length: > 0 } path ? path : null;

    /// <summary>What stands before the arguments.</summary>
    public static IReadOnlyList<string> Command { get; } =
        Other is null ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "onnx-attribution.dll")] : [Other];

    public static ProcessStartInfo Call(params IEnumerable<string> args) => new(Command[0], Command.Skip(1).Concat(args));
}
