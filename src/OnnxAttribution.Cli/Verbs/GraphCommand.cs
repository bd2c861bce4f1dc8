using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

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
        var model = new Option<string>("--model")
        {
            Description = "the bundle that 'onnx-attribution export' made",
            HelpName = "DIR",
            Required = true
        };
        var prompt = new Option<string?>("--prompt") { Description = "the clean prompt", HelpName = "TEXT" };
        var prompts = new Option<string?>("--prompts")
        {
            Description = "many: a JSON object a line, with prompt and optional target, foil, patch_prompt, id; "
                + "a run each below --out, and their mean in --out/merged/mean",
            HelpName = "FILE"
        };
        var target = new Option<string?>("--target")
        {
            Description = "text of exactly one token; a leading space counts; default: the model's own top token",
            HelpName = "TOKEN"
        };
        var foil = new Option<string?>("--foil")
        {
            Description = "the other token of --metric logit-diff; default: the best other one",
            HelpName = "TOKEN"
        };
        var patch = new Option<string?>("--patch-prompt")
        {
            Description = "the patch run's prompt, of as many tokens; without it nodes are set to zero",
            HelpName = "TEXT"
        };
        var directory = new Option<string>("--out") { Description = "the run directory to write", HelpName = "DIR", Required = true };
        var force = new Option<bool>("--force") { Description = "replace a run that is there" };
        var noPage = PageOfRun.NoPageOption;
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var command = new Command("graph", Description) { model, prompt, prompts, target, foil, patch, directory, force, noPage, json };
        var arguments = new GraphArguments(command);
        command.Validators.Add(result => OptionLimits.FoilNeedsLogitDiff(result, foil, arguments.MetricOption));
        command.Validators.Add(result => OptionLimits.NamesDirectory(result, directory));
        command.Validators.Add(result => OneOfPrompts(result, prompt, prompts, [target, foil, patch]));
        command.SetAction((parsed, cancel) => Task.Run(() =>
        {
            var start = Stopwatch.GetTimestamp();
            var context = common.Context(parsed, cancel, arguments.Memory);
            var request = arguments.Request(parsed, CommandLine.WrittenOut(parsed));
            var place = new Place(parsed.GetRequiredValue(directory), parsed.GetValue(force), !parsed.GetValue(noPage),
                parsed.GetValue(json), arguments.Validation(parsed), parsed.InvocationConfiguration, start);
            LoadedModel Open(int prompts) => LoadedModel.Open(parsed.GetRequiredValue(model), arguments.Sites(parsed), context, prompts);
            return parsed.GetValue(prompts) is { } file ? Many(file, Open, request, place)
                : One(new PromptTask(parsed.GetValue(prompt)!, parsed.GetValue(target), parsed.GetValue(foil), parsed.GetValue(patch)),
                    Open, request, place);
        }, CancellationToken.None));
        return command;
    }

    private sealed record Place(string Directory, bool Force, bool Page, bool Json, ValidationRequest? Validation,
        InvocationConfiguration Invocation, long Start);

    private static int One(PromptTask task, Func<int, LoadedModel> open, GraphRequest request, Place place)
    {
        RunDirectory.CheckFree(place.Directory, place.Force);
        using var progress = new ProgressLine(place.Invocation.Error);
        progress.Report("opening the model");
        using var model = open(1);
        progress.Dispose();
        TwiceBegun.Warn(model, [task], request.PrependBos, isFile: false, place.Invocation.Error);
        progress.Report("finding the graph");
        var run = GraphRun.Find(model, task, request);
        progress.Report("writing");
        var record = run.Write(place.Directory, place.Force);
        if (place.Validation is { } validation)
        {
            try
            {
                record = run.Validate(place.Directory, validation, progress);
            }
            catch (OperationCanceledException)
            {
                throw new CancelledException($"onnx-attribution: cancelled; the run stays in {place.Directory}, not validated");
            }
        }
        var page = PageOfRun.Write(place.Directory, place.Page, progress, model.Context.Cancel);
        progress.Dispose();
        var report = new GraphReport(record with { PeakMemoryBytes = page.PeakMemory ?? record.PeakMemoryBytes }, run.Graph.Nodes,
            run.Graph.Edges, run.TextAt, place.Directory, page, Stopwatch.GetElapsedTime(place.Start).TotalSeconds);
        if (place.Json) Screen.WriteJson(place.Invocation.Output, report.ToJson());
        else report.Print(place.Invocation.Output);
        return CommandLine.Done;
    }

    private static int Many(string file, Func<int, LoadedModel> open, GraphRequest request, Place place)
    {
        var lines = PromptFile.Read(file);
        PromptBatch.CheckFree(lines, place.Directory, place.Force);
        using var progress = new ProgressLine(place.Invocation.Error);
        progress.Report("opening the model");
        using var model = open(lines.Count);
        progress.Dispose();
        TwiceBegun.Warn(model, lines.Select(l => l.Task).OfType<PromptTask>(), request.PrependBos, isFile: true, place.Invocation.Error);
        var batch = new PromptBatch();
        try
        {
            batch.Run(model, lines, request, place.Validation, place.Directory, place.Force, (line, message) =>
            {
                progress.Dispose();
                place.Invocation.Error.WriteLine($"{file}, line {line}: {message}");
            }, progress, path => PageOfRun.Write(path, place.Page, progress, model.Context.Cancel).PeakMemory);
        }
        catch (OperationCanceledException) when (batch.Runs.Count > 0)
        {
            throw new CancelledException($"onnx-attribution: cancelled; {Screen.Count(batch.Runs.Count, "finished run")} "
                + $"stay{(batch.Runs.Count == 1 ? "s" : "")} in {place.Directory}, {MergedAfter(batch, place.Directory)}");
        }
        progress.Dispose();
        BatchReport.Write(batch, place.Directory, place.Json, place.Invocation.Output, Stopwatch.GetElapsedTime(place.Start).TotalSeconds);
        return batch.Errors.Count == 0 ? CommandLine.Done : CommandLine.Failed;
    }

    // what a batch that was cancelled leaves
    private static string MergedAfter(PromptBatch batch, string directory)
    {
        if (batch.MergedDirectory is { } written) return $"the merged graph in {written}";
        var place = MergedRun.Locate(Path.Combine(directory, MergedRun.Name));
        return Directory.Exists(place) ? $"the merged graph in {place} is the one from before" : "there is no merged graph";
    }

    private static void OneOfPrompts(CommandResult result, Option<string?> prompt, Option<string?> prompts, Option<string?>[] ofOnePrompt)
    {
        var (one, many) = (result.GetResult(prompt) is not null, result.GetResult(prompts) is not null);
        if (one == many)
        {
            result.AddError(one
                ? "--prompt and --prompts contradict each other; give one of them"
                : "there is no prompt; give --prompt TEXT or --prompts FILE");
        }
        if (many && ofOnePrompt.FirstOrDefault(o => result.GetResult(o) is not null) is { } option)
        {
            result.AddError($"{option.Name} goes with --prompt; in a --prompts file each line has its own");
        }
        if (one && result.GetValue(prompt) == "") result.AddError("--prompt is empty; give it some text");
    }
}
