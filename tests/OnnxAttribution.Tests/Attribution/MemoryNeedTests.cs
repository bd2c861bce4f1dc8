using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Where memory will not do, a graph is refused before it is run.</summary>
public sealed class MemoryNeedTests(Random2Fixture bundle) : IClassFixture<Random2Fixture>
{
    [Fact]
    public void What_needs_the_most_decides_what_to_change()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        MemoryNeed.Require(model, 5, new GraphOptions(), 8L << 30);
        var little = Assert.Throws<AttributionException>(() => MemoryNeed.Require(model, 5, new GraphOptions(), 1 << 20));
        Assert.Equal([Setting.Prompt, Setting.Sites], little.Settings);
        Assert.Contains("a graph of 5 tokens at 7 sites needs", little.Message);
        Assert.Contains("there are 1 MiB", little.Message);
    }

    [Fact]
    public void Edges_that_are_too_many_name_what_keeps_them_few()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        var many = new GraphOptions().KeepingAll();
        var needed = Assert.Throws<AttributionException>(() => MemoryNeed.Require(model, 120, many, 300L << 20));
        Assert.Contains(Setting.TopNodes, needed.Settings);
        Assert.Contains(Setting.TopErrors, needed.Settings);
        Assert.Contains("for edges found", needed.Message);
        MemoryNeed.Require(model, 120, new GraphOptions(), 400L << 20);
    }

    [Fact]
    public void The_command_refuses_in_one_line_before_it_draws()
    {
        using var directory = new TemporaryDirectory();
        var call = TestedProgram.Call("graph", "--model", bundle.Bundle, "--prompt", "Hello", "--out", directory["run"]);
        call.Environment["DOTNET_GCHeapHardLimit"] = "0x8000000";   // 128 MiB
        Verb.Start(call).Failed(1, "needs", "128 MiB", "--prompt or --sites");
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }
}
