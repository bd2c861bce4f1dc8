using System.Text.RegularExpressions;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Documents;

namespace OnnxAttribution.Tests.Packaging;

/// <summary>The library as a NuGet package, in a program that knows nothing of the repository.</summary>
public sealed partial class LibraryTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact(Explicit = true)]
    public void An_example_runs_on_the_package_as_it_does_on_the_project()
    {
        // packages that the library needs are those of this machine; the library itself goes into a folder of its own, since its version
        // may have been another's before
        var installed = Dotnet("nuget", "locals", "global-packages", "--list").Output.Split(' ', 2)[1].Trim();
        File.WriteAllText(_directory["nuget.config"], $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{_directory["packages"]}" /></config>
              <packageSources><clear /><add key="made" value="{Packages.Folder}" /></packageSources>
              <fallbackPackageFolders><add key="installed" value="{installed}" /></fallbackPackageFolders>
            </configuration>
            """);
        var example = File.ReadAllText(Path.Combine(Repository.Root, "examples", "graph.cs"));
        File.WriteAllText(_directory["graph.cs"], ProjectLine().Replace(example, $"#:package OnnxAttribution@{Packages.Version}"));
        var onPackage = Dotnet("run", "-c", "Release", _directory["graph.cs"]);
        Assert.Contains("blocks.", onPackage.Output);
        Assert.Equal(ExampleProgram.Run("examples/graph.cs", []).Output, onPackage.Output);
        Assert.True(Directory.Exists(Path.Combine(_directory["packages"], "onnxattribution", Packages.Version)));
    }

    // where the example finds the embedded model
    private Verb Dotnet(params string[] args)
    {
        var start = Packages.Call("dotnet", args, Repository.Root);
        // what a file is built to, 1 GB, is kept by the file's path, which is another each time
        start.Environment["XDG_DATA_HOME"] = _directory["data"];
        foreach (var (name, value) in ExampleProgram.NothingStays) start.Environment[name] = value;
        var verb = Verb.Start(start);
        Assert.True(verb.Code == 0, verb.Output + verb.Error);
        return verb;
    }

    [GeneratedRegex("^#:project .*$", RegexOptions.Multiline)]
    private static partial Regex ProjectLine();
}
