using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>graph --prompts … --dataset</c>: the graphs of many prompts as one dataset.</summary>
internal static class DatasetMode
{
    /// <param name="file">Of prompts.</param>
    /// <param name="directory">Where the dataset is or will be.</param>
    /// <param name="open">Opens the model for so many prompts.</param>
    public static int Run(string file, string directory, (DatasetOptions Options, ParseResult Parsed) asked, Func<int, LoadedModel> open,
        GraphRequest request)
    {
        var (start, invocation) = (Stopwatch.GetTimestamp(), asked.Parsed.InvocationConfiguration);
        var shard = asked.Options.Shard(asked.Parsed);
        // shards begin the dataset together, and each may be run again
        var resume = asked.Options.Resume(asked.Parsed) || shard is not null;
        var lines = PromptFile.Read(file);
        DatasetDirectory.CheckFree(directory, resume);
        using var progress = new ProgressLine(invocation.Error);
        progress.Report("opening the model");
        using var model = open(lines.Count);
        progress.Dispose();
        TwiceBegun.Warn(model, lines.Select(l => l.Task).OfType<PromptTask>(), request.PrependBos, isFile: true, invocation.Error);
        var record = PromptDataset.Record(model, request, lines, asked.Options.Request(asked.Parsed));
        var places = PromptOptions.OfAllPrompts(asked.Parsed);
        var dataset = new PromptDataset(model, request, DatasetDirectory.Begin(directory, record, resume, model.Context.Cancel))
        {
            Shard = shard ?? PromptShard.Whole,
            Progress = new DatasetReport(progress),
            Failed = (line, e) =>
            {
                progress.Dispose();
                invocation.Error.WriteLine($"{file}, line {line}: {FailureLine.OfOne(e, places)}");
            },
        };
        try
        {
            dataset.Run(lines);
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException($"onnx-attribution: cancelled; whole parts stay in {directory}; go on with --resume");
        }
        progress.Dispose();
        DatasetReport.Write(dataset, directory, asked.Options.IsJson(asked.Parsed), invocation.Output,
            Stopwatch.GetElapsedTime(start).TotalSeconds);
        return dataset.Failures + dataset.FailedBefore == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }
}
