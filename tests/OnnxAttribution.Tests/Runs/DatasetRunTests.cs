using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Runs;

/// <summary>Datasets from C#.</summary>
public sealed class DatasetRunTests(Random2Fixture bundle) : IClassFixture<Random2Fixture>, IDisposable
{
    private static readonly PromptTask[] s_prompts = [new("Hello", Target: "x", Id: "one"), new("a longer prompt"),
        new("ab", Foil: "no token")];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void It_is_the_dataset_of_the_command()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var run = Write(model, "set", new DatasetRequest { PartSize = 2 });
        Assert.Equal((DatasetState.Whole, 3, 0), (run.State, run.Finished, run.MissingParts));
        Assert.Contains("foil", Assert.Single(run.Failures, f => f.Key == "3").Value);
        File.WriteAllLines(_directory["p.jsonl"], ["""{"prompt": "Hello", "target": "x", "id": "one"}""",
            """{"prompt": "a longer prompt"}""", """{"prompt": "ab", "foil": "no token"}"""]);
        Verb.Run("graph", "--model", bundle.Bundle, "--prompts", _directory["p.jsonl"], "--part-size", "2", "--no-page", "--out",
            _directory["command"]);
        PromptDatasetTests.Same(new(_directory["command"]), new(_directory["set"]));
        Assert.NotEmpty(RunDirectory.Read(run.Path).Nodes);
    }

    [Fact]
    public void Shards_and_resumption_are_as_in_the_command()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var first = new DatasetRequest { PartSize = 1, Shard = new(1, 3) };
        Assert.Equal((DatasetState.PromptsMissing, 2), (Write(model, "set", first).State, Write(model, "set", first with
        {
            Resume = true
        }).MissingParts));
        Assert.Throws<RunDirectoryException>(() => Write(model, "set", first));
        Assert.Equal(DatasetState.Whole, Write(model, "set", new DatasetRequest { PartSize = 1, Resume = true }).State);
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatasetRequest { PartSize = 0 });
        Assert.Throws<PromptException>(() => new PromptShard(4, 3));
        Assert.Throws<ArgumentException>(() => DatasetRun.Write(model, [], new(new()), _directory["none"]));
        PromptTask[] twice = [new("a", Id: "x"), new("b", Id: "x")];
        Assert.Throws<ArgumentException>(() => DatasetRun.Write(model, twice, new(new()), _directory["none"]));
        Assert.False(Directory.Exists(_directory["none"]));
    }

    private DatasetRun Write(LoadedModel model, string name, DatasetRequest asked) =>
        DatasetRun.Write(model, s_prompts, new GraphRequest(new GraphOptions()), _directory[name], asked);
}
