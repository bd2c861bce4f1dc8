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

/// <summary>The verb <c>graph</c>: from a prompt, or a file of prompts, to run directories.</summary>
internal static class GraphCommand
{
    private const string Description = """
        Find which features cause which while the model predicts a token, and write the graph as Parquet.

        Example: onnx-attribution graph --model models/tiny --prompt "Copyright (C" --target ")" --out runs/copyright
        """;

    public static Command Create(CommonOptions common)
    {
        var (model, prompt) = (ModelOptions.Model(), new PromptOptions(many: "; one dataset in --out, with the mean in --out/mean"));
        var (patch, dryRun, plan) = (Patch(), DryRunMode.Option(), PlanMode.Option());
        var directory = OutputOptions.Directory("the run directory to write; of --prompts the dataset's");
        directory.Required = false;   // but for a dry run or a plan it is, and that is checked
        var (force, noPage, json) = (OutputOptions.Force("a run that is"), OutputOptions.NoPage(), OutputOptions.Json());
        var command = new Command("graph", Description)
            { model, prompt.One, prompt.Many, prompt.Target, prompt.Foil, patch, directory, dryRun, plan, force, noPage, json };
        var arguments = new GraphArguments(command, prompt);
        var dataset = new DatasetOptions(command, json, noPage);
        command.Checks(result =>
        {
            OptionLimits.FoilNeedsLogitDiff(result, prompt.Foil, arguments.Metric.Kind);
            OptionLimits.NamesDirectory(result, directory);
            if (prompt.Wrong(result) is { } wrong) result.AddError(wrong);
            DryRunMode.Contradict(result, dryRun, prompt.Many, directory, plan);
            PlanMode.Contradict(result, plan, [dryRun, dataset.Directories, .. arguments.Checked]);
            prompt.RefuseBesideMany(result, prompt.Target, prompt.Foil, patch);
            arguments.RefuseInfluenceOfMany(result, prompt.Many);
            dataset.Contradict(result, prompt.Many, [force, .. arguments.OfRuns]);
        });
        command.Runs((parsed, cancel) =>
        {
            var start = Stopwatch.GetTimestamp();
            if (parsed.GetValue(dryRun)) return DryRunMode.Run(parsed, prompt.Many, model, cancel);
            var request = arguments.Request(parsed, parsed.WrittenOut());
            LoadedModel OpenFor(int prompts, int lanes) => LoadedModel.OpenSelected(parsed.GetRequiredValue(model),
                arguments.Selection(parsed), common.Context(parsed, cancel, arguments.Memory, lanes), prompts);
            LoadedModel Open(int prompts) => OpenFor(prompts, lanes: 1);
            if (parsed.GetValue(plan)) return new PlanMode(OpenFor, request, parsed, parsed.GetValue(json)).Run(prompt, patch, dataset);
            var destination = new Destination(parsed.GetRequiredValue(directory), parsed.GetValue(force), !parsed.GetValue(noPage),
                parsed.GetValue(json), arguments.Checks(parsed), parsed.InvocationConfiguration, start, PromptOptions.OfAllPrompts(parsed))
            { Pages = dataset.ArePagesWanted(parsed) };
            if (parsed.GetValue(prompt.Many) is not { } file) return One(prompt.Task(parsed, patch), Open, request, destination);
            return dataset.AreDirectories(parsed) ? Many(file, Open, request, destination)
                : DatasetMode.Run(file, destination.Directory, (dataset, parsed), OpenFor, request);
        });
        return command;
    }

    private static Option<string?> Patch() => new("--patch-prompt")
    {
        Description = "the patch run's prompt, of as many tokens; without it nodes are set to zero",
        HelpName = "TEXT"
    };

    /// <param name="Options">Those that say the same for every prompt, for messages.</param>
    private sealed record Destination(string Directory, bool Force, bool Page, bool Json, RunChecks Checks,
        InvocationConfiguration Invocation, long Start, IReadOnlySet<string> Options)
    {
        /// <summary>Of many prompts a page each, and not of the merged graph alone.</summary>
        public bool Pages { get; init; }
    }

    private static int One(PromptTask task, Func<int, LoadedModel> open, GraphRequest request, Destination destination)
    {
        RunDirectory.CheckFree(destination.Directory, destination.Force);
        using var progress = new ProgressLine(destination.Invocation.Error);
        progress.Report("opening the model");
        using var model = open(1);
        progress.Dispose();
        TwiceBegun.Warn(model, [task], request.PrependBos, isFile: false, destination.Invocation.Error);
        progress.Report("finding the graph");
        var run = GraphRun.Find(model, task, request);
        progress.Report("writing");
        var record = run.Write(destination.Directory, destination.Force);
        try
        {
            record = destination.Checks.Apply(run, destination.Directory, record, progress);
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException($"onnx-attribution: cancelled; the run stays in {destination.Directory}, not checked");
        }
        var page = PageOfRun.Write(destination.Directory, destination.Page, progress, model.Context.Cancel);
        progress.Dispose();
        var report = new GraphReport(
            new ReportedGraph(record with { PeakMemoryBytes = page.PeakMemory ?? record.PeakMemoryBytes }, run.Graph.Nodes,
                run.Graph.Edges, run.Graph.SwitchedOn, run.TextAt)
            { Parts = run.Graph.HeadParts, Heads = [.. HeadRows.Of(run.Graph)] },
            destination.Directory, page, Stopwatch.GetElapsedTime(destination.Start).TotalSeconds);
        if (destination.Json) Screen.WriteJson(destination.Invocation.Output, report.ToJson());
        else report.Print(destination.Invocation.Output);
        return ExitCodes.Done;
    }

    private static int Many(string file, Func<int, LoadedModel> open, GraphRequest request, Destination destination)
    {
        var lines = PromptFile.Read(file);
        PromptBatch.CheckFree(lines, destination.Directory, destination.Force);
        if (!destination.Force) KeptPrompts.CheckFree(file, destination.Directory, lines.Select(l => l.Task));
        using var progress = new ProgressLine(destination.Invocation.Error);
        progress.Report("opening the model");
        using var model = open(lines.Count);
        progress.Dispose();
        TwiceBegun.WarnOfFile(model, lines, request, destination.Invocation.Error);
        var named = KeptPrompts.Write(file, destination.Directory, lines.Select(l => l.Task), model.Context.Cancel);
        var batch = new PromptBatch(model, request, destination.Directory, destination.Force)
        {
            Checks = destination.Checks,
            Progress = progress,
            Failed = (line, e) =>
            {
                progress.Dispose();
                destination.Invocation.Error.WriteLine($"{named}, line {line}: {FailureLine.OfOne(e, destination.Options)}");
            },
            Finish = path => PageOfRun.Write(path, destination.Page && (destination.Pages || MergedRun.Is(path)), progress,
                model.Context.Cancel).PeakMemory,
        };
        try
        {
            batch.Run(lines);
        }
        catch (OperationCanceledException) when (batch.Runs.Count > 0)
        {
            throw new CancelledException($"onnx-attribution: cancelled; {Screen.Count(batch.Runs.Count, "finished run")} "
                + $"stay{(batch.Runs.Count == 1 ? "s" : "")} in {destination.Directory}, {MergedAfter(batch, destination.Directory)}");
        }
        if (batch.MergedDirectory is not null && !destination.Page) BatchPage.Remove(destination.Directory);
        var index = batch.MergedDirectory is not null && destination.Page
            ? PageOfRun.OfBatch(destination.Directory, progress, model.Context.Cancel) : null;
        progress.Dispose();
        BatchReport.Write(batch, index, destination.Json, destination.Invocation.Output,
            Stopwatch.GetElapsedTime(destination.Start).TotalSeconds);
        return batch.Errors.Count == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }

    // what a batch that was cancelled leaves
    private static string MergedAfter(PromptBatch batch, string directory)
    {
        if (batch.MergedDirectory is { } written) return $"the merged graph in {written}";
        var destination = MergedRun.Locate(Path.Combine(directory, MergedRun.Name));
        return Directory.Exists(destination) ? $"the merged graph in {destination} is the one from before" : "there is no merged graph";
    }
}
