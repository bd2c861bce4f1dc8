using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>lens</c>: the residual stream read half layer by half layer, and what its end is the sum of.</summary>
internal sealed class LensCommand
{
    private const string Description = """
        Read the residual stream as if the model ended there (logit lens), half layer by half layer, and split a logit, or a difference of
        two, into what the embedding and each attention and MLP add to it (direct logit attribution); by heads and features too. With
        --along a direction is followed instead: where it is written into the stream, and where it is scrubbed out.

        Example: onnx-attribution lens --model models/tiny --prompt "Copyright (C" --metric logit-diff --heads --out runs/lens
        """;

    private readonly CommonOptions _common;
    private readonly Argument<string?> _run = new("RUN")
    {
        Description = "a run directory whose prompt, metric and model are taken; without it --model and a prompt",
        Arity = ArgumentArity.ZeroOrOne,
    };
    private readonly Option<string?> _model = ModelOptions.OptionalModel($"{ModelOptions.Bundle}; of a RUN: where it is now");
    private readonly PromptOptions _prompt = new(many: "; means over them, each read at its last token");
    private readonly MetricOptions _metric = new("logit (less the mean over the vocabulary) or logit-diff; no other is a sum");
    private readonly Option<string> _scale = ChoiceOptions.OneOf("--scale",
        "the final norm divides by the final stream's scale, or by each one's own; summands are always by the final",
        "final", "own");
    private readonly Option<bool> _heads = new("--heads") { Description = "split attention outputs by heads: z_h W_O[h], and b_O" };
    private readonly Option<bool> _features = new("--features")
    {
        Description = "split sites that have dictionaries by features: decoder rows times activations, the error, b_dec"
    };
    private readonly Option<string?> _sites = ModelOptions.Sites("sites whose dictionaries count", "; default: all that have one");
    private readonly Option<string?> _along = new("--along")
    {
        Description = "follow a feature's decoder row such as 5:10603, or what target, foil or metric read of the final stream",
        HelpName = "FEATURE|target|foil|metric"
    };
    private readonly Option<float?> _cosine =
        NumberOptions.Threshold("--cosine", "with --along, the least cosine of decoder rows that are told beside it (0.7)", "0.7");
    private readonly Option<int> _top =
        NumberOptions.Whole("--top", "tokens that are kept of each reading, and summands that are listed", 10, least: 0);
    private readonly Option<string?> _out = new("--out")
    {
        Description = "a directory for lens.parquet, lens_tokens.parquet, summands.parquet and lens.json",
        HelpName = "DIR"
    };
    private readonly Option<bool> _force = OutputOptions.Force("a lens that is");
    private readonly Option<bool> _json = OutputOptions.Json();

    private LensCommand(CommonOptions common) => _common = common;

    public static Command Create(CommonOptions common) => new LensCommand(common).Made();

    private Command Made()
    {
        var command = new Command("lens", Description)
        {
            _run, _model, _prompt.One, _prompt.Many, _prompt.Target, _prompt.Foil, _metric.Kind, _metric.Position, _prompt.PrependBos,
            _scale, _heads, _features, _along, _cosine, _sites, _top, _out, _force, _json
        };
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        OptionLimits.FoilNeedsLogitDiff(result, _prompt.Foil, _metric.Kind);
        OptionLimits.NamesDirectory(result, _out);
        if (result.IsGiven(_force) && !result.IsGiven(_out)) result.AddError("--force goes with --out");
        if (result.GetResult(_metric.Kind) is { Implicit: false, Tokens: [{ Value: var kind }] } && kind is not ("logit" or "logit-diff"))
        {
            result.AddError($"--metric {kind} is no sum of what is written to the residual stream; take logit or logit-diff");
        }
        CheckAlong(result);
        if (result.GetResult(_run) is { Tokens.Count: > 0 })
        {
            if (((Option[])[_prompt.One, _prompt.Many, _prompt.PrependBos]).FirstOrDefault(result.IsGiven) is { } other)
            {
                result.AddError($"{other.Name} and a RUN contradict each other: the run has its prompt; give one of them");
            }
            return;
        }
        if (_prompt.Wrong(result) is { } wrong) result.AddError(wrong);
        _prompt.RefuseBesideMany(result, _prompt.Target, _prompt.Foil);
        if (!result.IsGiven(_model)) result.AddError("there is no model; give --model DIR, or a RUN that has one");
    }

    private void CheckAlong(CommandResult result)
    {
        if (!result.IsGiven(_along))
        {
            if (result.IsGiven(_cosine)) result.AddError("--cosine goes with --along");
            if (result.IsGiven(_sites) && !result.IsGiven(_features)) result.AddError("--sites goes with --features or --along");
            return;
        }
        if (((Option[])[_prompt.Many, _scale, _features]).FirstOrDefault(result.IsGiven) is { } other)
        {
            result.AddError($"{other.Name} and --along contradict each other; give one of them");
        }
        if (result.GetResult(_cosine) is { Tokens: [{ Value: var text }] } && float.TryParse(text, out var cosine) && cosine > 1)
        {
            result.AddError($"--cosine cannot be '{text}'; it takes a number from 0 to 1");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var (start, place, force) = (Stopwatch.GetTimestamp(), parsed.GetValue(_out), parsed.GetValue(_force));
        var isTrace = parsed.GetValue(_along) is not null;
        if (place is not null)
        {
            if (isTrace) TraceDirectory.CheckFree(place, force);
            else LensDirectory.CheckFree(place, force);
        }
        var context = _common.Context(parsed, cancel);
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var source = parsed.GetValue(_run) is { } path
            ? LensSource.Open(path, parsed.GetValue(_model), parsed.Items(_sites), context) : null;
        using var opened = source is null ? Opened(parsed, context) : null;
        if (isTrace) return Follow(source, opened, parsed, (progress, start));
        var run = source is null ? OfPrompts(opened!, parsed, progress)
            : LensRun.Of(source.Model, source.Record, OfRun(source, parsed), progress);
        if (place is not null)
        {
            progress.Report("writing");
            run.Write(place, force ? WriteMode.Replace : WriteMode.CreateNew);
        }
        progress.Dispose();
        var report = new LensReport(run, parsed.GetValue(_top), (source?.Model ?? opened!).TokenText);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parsed.GetValue(_json)) Screen.WriteJson(parsed.InvocationConfiguration.Output, report.ToJson(place, seconds));
        else report.Print(parsed.InvocationConfiguration.Output, place, seconds);
        return ExitCodes.Done;
    }

    private int Follow(LensSource? source, LoadedModel? opened, ParseResult parsed, (ProgressLine Line, long Start) progress)
    {
        var asked = source is null ? Request(parsed, _metric.KindIn(parsed)) : OfRun(source, parsed);
        var options = new StreamTraceOptions
        {
            Along = parsed.GetRequiredValue(_along)!,
            Heads = parsed.GetValue(_heads),
            Cosine = parsed.GetValue(_cosine) ?? 0.7,
        };
        var request = new TraceRequest(options, asked.Metric, asked.PrependBos, asked.CommandLine);
        var run = source is null ? TraceRun.Find(opened!, Task(parsed, opened!, request.PrependBos, progress.Line), request, progress.Line)
            : TraceRun.Of(source.Model, source.Record, request, progress.Line);
        if (parsed.GetValue(_out) is { } place)
        {
            progress.Line.Report("writing");
            run.Write(place, parsed.GetValue(_force) ? WriteMode.Replace : WriteMode.CreateNew);
        }
        progress.Line.Dispose();
        var (report, output) = (new TraceReport(run, parsed.GetValue(_top)), parsed.InvocationConfiguration.Output);
        var seconds = Stopwatch.GetElapsedTime(progress.Start).TotalSeconds;
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson(parsed.GetValue(_out), seconds));
        else report.Print(output, parsed.GetValue(_out), seconds);
        return ExitCodes.Done;
    }

    private PromptTask Task(ParseResult parsed, LoadedModel model, bool? prependBos, ProgressLine progress)
    {
        var (target, foil) = (parsed.GetValue(_prompt.Target), parsed.GetValue(_prompt.Foil));
        var task = new PromptTask(parsed.GetRequiredValue(_prompt.One)!, target, foil);
        progress.Dispose();
        TwiceBegun.Warn(model, [task], prependBos, isFile: false, parsed.InvocationConfiguration.Error);
        return task;
    }

    private LoadedModel Opened(ParseResult parsed, RunContext context) =>
        LoadedModel.Open(parsed.GetRequiredValue(_model)!, parsed.Items(_sites), context);

    private LensRun OfPrompts(LoadedModel model, ParseResult parsed, ProgressLine progress)
    {
        var (request, error) = (Request(parsed, _metric.KindIn(parsed)), parsed.InvocationConfiguration.Error);
        progress.Dispose();
        if (parsed.GetValue(_prompt.Many) is not { } file)
        {
            return LensRun.Find(model, Task(parsed, model, request.PrependBos, progress), request, progress);
        }
        var lines = PromptFile.Read(file);
        PromptTask[] tasks = [.. lines.Select(l => l.Task ?? throw new PromptException($"{file}, line {l.Line}: {l.Error}"))];
        TwiceBegun.Warn(model, tasks, request.PrependBos, isFile: true, error);
        UnusedFoils.Warn(lines, request.Metric.Kind, error);
        var run = LensRun.Mean(model, tasks, request, progress);
        run.File = file;
        return run;
    }

    // what is not asked for is the run's
    private LensRequest OfRun(LensSource source, ParseResult parsed)
    {
        TwiceBegun.Warn(source.Record, parsed.InvocationConfiguration.Error);
        var own = RecordedValues.MetricOf(parsed.GetValue(_run)!, source.Record) ?? MetricKind.Logit;
        var request = Request(parsed, _metric.GivenIn(parsed) ?? own);
        int? Token(Option<string?> option, Files.Setting setting) =>
            PromptTokens.OneToken(source.Model.Tokenizer, setting, parsed.GetValue(option));
        return request with
        {
            Metric = request.Metric with
            {
                Target = Token(_prompt.Target, Files.Setting.Target),
                Foil = Token(_prompt.Foil, Files.Setting.Foil),
            }
        };
    }

    private LensRequest Request(ParseResult parsed, MetricKind kind) => new(new MetricRequest(kind, parsed.GetValue(_metric.Position)),
        new LensOptions
        {
            Scale = parsed.GetValue(_scale) == "own" ? LensScale.Own : LensScale.Final,
            Top = parsed.GetValue(_top),
            Heads = parsed.GetValue(_heads),
            Features = parsed.GetValue(_features),
        }, parsed.GetValue(_prompt.PrependBos), parsed.WrittenOut());
}
