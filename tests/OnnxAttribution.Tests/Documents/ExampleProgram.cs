using System.Diagnostics;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Documents;

/// <summary>A program of <c>examples/</c>: one file, run by <c>dotnet run FILE</c> from the repository's root.</summary>
internal static class ExampleProgram
{
    private const string Folder = "examples";

    /// <summary>Paths below the repository's root, with slashes.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        .. Directory.GetFiles(Path.Combine(Repository.Root, Folder), "*.cs").Select(f => $"{Folder}/{Path.GetFileName(f)}")
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Variables with which no compiler stays alive and holds the output open.</summary>
    public static IReadOnlyList<(string Name, string Value)> NothingStays { get; } =
        [("MSBUILDDISABLENODEREUSE", "1"), ("UseSharedCompilation", "false"), ("DOTNET_CLI_USE_MSBUILD_SERVER", "0")];

    // of the tests, for which the library is built
    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The example that <c>dotnet run -c Release FILE …</c> runs; null where the command is another.</summary>
    public static string? Of(DocumentCommand command) =>
        command.Words.Select(w => w.Text).ToList() is ["dotnet", "run", "-c", "Release", var file, ..] && All.Contains(file) ? file : null;

    /// <summary>Builds and runs it on the library that is built already.</summary>
    public static Verb Run(string file, IEnumerable<string> arguments)
    {
        string[] words = ["run", "-c", Configuration, "-p:BuildProjectReferences=false", file, .. arguments];
        var start = new ProcessStartInfo("dotnet", words)
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in NothingStays) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        process.WaitForExit();
        return new Verb(process.ExitCode, output.Result, error.Result);
    }
}
