using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Runs;

/// <summary>How far a dataset is, told while it is drawn.</summary>
public sealed class DatasetProgressTests(Random2Fixture bundle) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void It_is_told_a_prompt_at_a_time_also_within_a_window()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext(lanes: 2));
        (int Line, PromptTask? Task, string? Error)[] lines = [.. Enumerable.Range(1, 5)
            .Select(i => (i, (PromptTask?)new PromptTask(new string('a', i), Id: $"{i}"), (string?)null)), (6, null, "no object")];
        var request = new GraphRequest(new GraphOptions { Refine = 0 });
        var record = PromptDataset.Record(model, request, lines, new DatasetRequest());
        var told = new Told();
        var dataset = DatasetDirectory.Begin(_directory["set"], record, resume: false, TestContext.Current.CancellationToken);
        new PromptDataset(model, request, dataset) { Failed = (_, _) => { }, Progress = told }.Run(lines);
        foreach (var stage in (string[])[DatasetProgress.Prompts, DatasetProgress.Mean])
        {
            Assert.Equal(Enumerable.Range(0, 7), told.All.Where(p => p.Stage == stage).Select(p => p.Done));
        }
        Assert.All(told.All, p => Assert.Equal((6, p.Done > 0), (p.Of, p.PerSecond is not null)));
    }

    private sealed class Told : IProgress<DatasetProgress>
    {
        public List<DatasetProgress> All { get; } = [];

        public void Report(DatasetProgress value) => All.Add(value);
    }
}
