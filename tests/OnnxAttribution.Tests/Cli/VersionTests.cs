using System.Diagnostics;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The option <c>--version</c>: what a report of a fault should name.</summary>
public sealed class VersionTests
{
    [Fact]
    public void The_version_names_the_program_and_what_it_runs_on()
    {
        var lines = Verb.Run("--version").Done().Output.TrimEnd().ReplaceLineEndings("\n").Split('\n');
        Assert.Collection(lines,
            program => Assert.Matches(@"^onnx-attribution \d+\.\d+\.\d+(-[0-9a-z.]+)?(\+[0-9a-f]{40})?$", program),
            dotnet => Assert.Matches(@"^\.NET 1\d\.\d+\.\d+ on [a-z]+-[a-z0-9]+", dotnet),
            runtime => Assert.Matches(@"^ONNX Runtime 1\.\d+\.\d+ with (.*, )?CPUExecutionProvider$", runtime),
            duckDb => Assert.Matches(@"^DuckDB 1\.\d+\.\d+$", duckDb));
    }

    [Fact]
    public void Without_its_native_libraries_the_program_says_its_version_and_what_is_missing()
    {
        using var directory = new TemporaryDirectory();
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll"))
        {
            File.Copy(file, directory[Path.GetFileName(file)]);
        }
        // without the list of dependencies the host takes what is there
        File.Copy(Path.Combine(AppContext.BaseDirectory, "onnx-attribution.runtimeconfig.json"),
            directory["onnx-attribution.runtimeconfig.json"]);
        File.Delete(directory["onnxruntime.dll"]);
        var version = Verb.Start(new ProcessStartInfo("dotnet", [directory["onnx-attribution.dll"], "--version"])).Done().Output;
        Assert.StartsWith("onnx-attribution ", version);
        Assert.Contains("ONNX Runtime: it cannot load the library 'onnxruntime'", version);
    }
}
