using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>graph --prompts</c>: the graphs of many prompts as one dataset, and their mean.</summary>
internal static class DatasetMode
{
    /// <param name="file">Of prompts.</param>
    /// <param name="directory">Where the dataset is or will be.</param>
    /// <param name="open">Opens the model for so many prompts, with so many lanes.</param>
    public static int Run(string file, string directory, (DatasetOptions Options, ParseResult Parsed) asked,
        Func<int, int, LoadedModel> open, GraphRequest request)
    {
        var (start, invocation) = (Stopwatch.GetTimestamp(), asked.Parsed.InvocationConfiguration);
        var shard = asked.Options.Shard(asked.Parsed);
        var resume = asked.Options.Resume(asked.Parsed) || shard is not null;   // shards begin together, and each may be run again
        var lines = PromptFile.Read(file);
        DatasetDirectory.CheckFree(directory, resume);
        using var progress = new ProgressLine(invocation.Error);
        using var model = Opened(open, lines, asked.Options.Request(asked.Parsed).PartSize, progress);
        TwiceBegun.WarnOfFile(model, lines, request, invocation.Error);
        var record = PromptDataset.Record(model, request, lines, asked.Options.Request(asked.Parsed));
        var begun = DatasetDirectory.Begin(directory, record, resume, model.Context.Cancel);
        KeptPrompts.CheckFree(file, directory, lines.Select(l => l.Task));
        var named = KeptPrompts.Write(file, directory, lines.Select(l => l.Task), model.Context.Cancel);
        var dataset = new PromptDataset(model, request, begun)
        {
            Shard = shard ?? PromptShard.Whole,
            Progress = new DatasetBar(progress),
            Failed = (line, e) =>
            {
                progress.Dispose();
                invocation.Error.WriteLine($"{named}, line {line}: {FailureLine.OfOne(e, PromptOptions.OfAllPrompts(asked.Parsed))}");
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
        var page = Page(dataset, directory, asked.Options.IsPageWanted(asked.Parsed), progress, model.Context.Cancel);
        progress.Dispose();
        var report = new DatasetReport(dataset, directory, page, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (asked.Options.IsJson(asked.Parsed)) Screen.WriteJson(invocation.Output, report.ToJson());
        else report.Print(invocation.Output);
        return dataset.Failures + dataset.FailedBefore == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }

    private static LoadedModel Opened(Func<int, int, LoadedModel> open,
        IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, int partSize, ProgressLine progress)
    {
        progress.Report("opening the model");
        var model = open(lines.Count, Lanes(lines, partSize));
        progress.Dispose();
        return model;
    }

    /// <summary>How many lanes a dataset's prompts can fill.</summary>
    internal static int Lanes(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, int partSize) => lines.Count == 0 ? 1
        : Math.Min(PromptWindows.Lanes(lines.Select(l => l.Task)), Math.Min(lines.Count, partSize));

    // the mean's, and the index of the prompts, unless they are there
    private static PageOfRun Page(PromptDataset dataset, string directory, bool isWanted, IProgress<string> progress,
        CancellationToken cancel)
    {
        var mean = Path.Combine(directory, RunNames.Mean);
        var isWhole = dataset.State == DatasetState.Whole;
        var page = PageOfRun.OfMean(mean, isWanted && isWhole && !File.Exists(Path.Combine(mean, RunPage.FileName)), progress, cancel);
        if (isWanted && isWhole && !File.Exists(Path.Combine(directory, BatchPage.FileName)))
        {
            PageOfRun.OfBatch(directory, progress, cancel);
        }
        return page;
    }
}
