using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>graph --prompts</c> prints of a dataset: how many prompts went where, and their mean.</summary>
/// <param name="page">Of the mean.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class DatasetReport(PromptDataset dataset, string directory, PageOfRun page, double seconds)
{
    private readonly GraphReport? _mean = dataset.Mean is not { Graph: { } graph, Record: { } record } ? null
        : new(new ReportedGraph(record, graph.Nodes, graph.Edges, graph.SwitchedOn, _ => ""), Path.Combine(directory, RunNames.Mean), page,
            seconds);

    public JsonObject ToJson() => new()
    {
        ["dataset"] = directory,
        ["prompts"] = dataset.Finished,
        ["found"] = dataset.Found,
        ["errors"] = dataset.Failures + dataset.FailedBefore,
        ["shard"] = dataset.Shard.Number,
        ["shards"] = dataset.Shard.Of,
        ["state"] = JsonNamingPolicy.SnakeCaseLower.ConvertName($"{dataset.State}"),
        ["parts_missing"] = dataset.Missing,
        ["parts_busy"] = dataset.Busy.Count,
        ["mean"] = _mean?.ToJson(),
        ["seconds_in_all"] = seconds,
    };

    public void Print(TextWriter output)
    {
        var found = dataset.Found == 0 ? "" : $"; {Screen.Count(dataset.Found, "prompt")} were there already";
        var failed = dataset.Failures == 0 ? "" : $"; {Screen.Count(dataset.Failures, "line")} failed";
        var before = dataset.FailedBefore == 0 ? "" : $"; {Screen.Count(dataset.FailedBefore, "line")} failed before";
        var shard = dataset.Shard == PromptShard.Whole ? "" : $"; shard {dataset.Shard.Number} of {dataset.Shard.Of}";
        output.WriteLine(
            $"{directory}: {Screen.Count(dataset.Finished, "prompt")} in {seconds:0.00} s{shard}{found}{failed}{before}");
        if (dataset.Busy.Count > 0)
        {
            output.WriteLine($"left to another program, which is writing {(dataset.Busy.Count == 1 ? "it" : "them")}: "
                + $"{Screen.Count(dataset.Busy.Count, "part")} ({string.Join(", ", dataset.Busy.Take(8))}"
                + $"{(dataset.Busy.Count > 8 ? ", …" : "")})");
        }
        output.WriteLine(Mean());
        _mean?.PrintGraph(output);
        page.Print(output);
    }

    private string Mean() => dataset.State switch
    {
        DatasetState.PromptsMissing => $"mean: not yet, {Screen.Count(dataset.Missing, "part")} of the prompts "
            + $"{(dataset.Missing == 1 ? "is" : "are")} missing; when all of them are there, {Again}",
        DatasetState.EdgesMissing => $"mean: not yet, its edges are missing of {Screen.Count(dataset.Missing, "part")}; {Again}",
        DatasetState.MeanBusy => "mean: another program is writing it",
        DatasetState.NoGraph => "mean: none, since no prompt has a graph",
        _ when dataset.Mean?.Record?.Prompts is { } prompts => $"mean: over {prompts} prompts, summed over positions",
        _ => $"mean: {Path.Combine(directory, RunNames.Mean)} was there already",
    };

    private string Again => dataset.Shard == PromptShard.Whole ? "go on with --resume" : "run every shard once more";
}
