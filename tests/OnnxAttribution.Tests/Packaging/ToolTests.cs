using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Packaging;

/// <summary>The tool as <c>dotnet tool install onnx-attribution</c> brings it, from a feed of this machine and no other.</summary>
public sealed class ToolTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact(Explicit = true)]
    public void The_tool_is_installed_draws_the_demo_from_another_directory_and_is_uninstalled()
    {
        File.WriteAllText(_directory["nuget.config"], $"""
            <configuration><packageSources><clear /><add key="made" value="{Packages.Folder}" /></packageSources></configuration>
            """);
        var tools = _directory["tools"];
        Dotnet("tool", "install", "onnx-attribution", "--version", Packages.Version, "--tool-path", tools,
            "--configfile", _directory["nuget.config"]);
        var program = Path.Combine(tools, Packages.Executable);
        Packages.DrawsTheDemo(program, _directory);
        var stored = Directory.EnumerateFiles(tools, Packages.Executable, SearchOption.AllDirectories)
            .Select(f => Path.GetDirectoryName(f)!);
        Assert.Contains(stored, folder => Packages.BesideTheProgram.All(file => File.Exists(Path.Combine(folder, file))));
        Dotnet("tool", "uninstall", "onnx-attribution", "--tool-path", tools);
        Assert.False(File.Exists(program));
    }

    private void Dotnet(params string[] args)
    {
        var verb = Verb.Start(Packages.Call("dotnet", args, _directory.Path));
        Assert.True(verb.Code == 0, verb.Output + verb.Error);
    }
}
