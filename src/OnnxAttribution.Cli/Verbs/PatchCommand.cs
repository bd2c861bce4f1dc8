using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Patching;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>patch</c>: sweeps of activation patching between two runs.</summary>
internal sealed class PatchCommand
{
    private const string Description = """
        Patch activations from one run into another, one after the other, and see how much of the answer each brings: the residual
        stream and what sublayers add by position, heads' outputs, queries, keys, values and patterns. No dictionary is needed.

        Example: onnx-attribution patch --model models/tiny --prompt "Copyright (C" --patch-prompt "Copyright [C" --target ")"
        """;

    private static readonly string[] s_kinds = [.. Enum.GetValues<PatchKind>().Select(EnumName.Of)];

    private readonly CommonOptions _common;
    private readonly Option<string> _model = ModelOptions.Model();
    private readonly PromptOptions _prompt = new(many: ", each with a patch_prompt, all of as many tokens");
    private readonly Option<string?> _patch = new("--patch-prompt")
    {
        Description = "the corrupted prompt, of as many tokens as the clean one",
        HelpName = "TEXT"
    };
    private readonly MetricOptions _metric = new("what is measured, read off the logits at --position");
    private readonly Option<string> _what = new("--what")
    {
        Description = "what is patched, with commas between: resid, attn and mlp by layer and position; z, q, k, v and pattern by layer "
            + "and head",
        HelpName = string.Join('|', s_kinds),
        DefaultValueFactory = _ => "resid,attn,mlp,z"
    };
    private readonly Option<bool> _byPosition =
        new("--by-position") { Description = "heads' activations at each position too; of a pattern, a query's row" };
    private readonly Option<string> _direction = ChoiceOptions.OneOf("--direction",
        "denoising: the corrupted run gets the clean one's activations; noising: the other way round", "denoising", "noising");
    private readonly Option<bool> _estimate =
        new("--estimate") { Description = "attribution patching beside it: the gradient times the difference, two passes a prompt" };
    private readonly Option<int> _top = NumberOptions.Whole("--top", "how many activations are listed", value: 12, least: 1);
    private readonly Option<int> _memory = ModelOptions.Memory("memory that one run's rows may take");
    private readonly Option<string?> _out = new("--out") { Description = "a directory for patching.parquet", HelpName = "DIR" };
    private readonly Option<bool> _force = OutputOptions.Force("a sweep that is");
    private readonly Option<bool> _json = OutputOptions.Json();

    private PatchCommand(CommonOptions common)
    {
        _common = common;
        _metric.Kind.DefaultValueFactory = _ => "logit-diff";
        _what.Completes(s_kinds);
        _what.NotEmpty($"{string.Join(", ", s_kinds)}, with commas between");
        _what.Validators.Add(result =>
        {
            var unknown = result.Tokens.SelectMany(t => ListOptions.Items(t.Value)).FirstOrDefault(k => !s_kinds.Contains(k));
            if (unknown is not null)
            {
                result.AddError($"--what cannot be '{unknown}'; it takes {string.Join(", ", s_kinds)}, with commas between");
            }
        });
    }

    public static Command Create(CommonOptions common) => new PatchCommand(common).Made();

    private Command Made()
    {
        var command = new Command("patch", Description)
        {
            _model, _prompt.One, _patch, _prompt.Many, _prompt.Target, _prompt.Foil, _metric.Kind, _metric.Position, _prompt.PrependBos,
            _what, _byPosition, _direction, _estimate, _top, _memory, _out, _force, _json
        };
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (_prompt.Wrong(result) is { } wrong) result.AddError(wrong);
        _prompt.RefuseBesideMany(result, _patch, _prompt.Target, _prompt.Foil);
        OptionLimits.NamesDirectory(result, _out);
        if (result.IsGiven(_prompt.One) && !result.IsGiven(_patch))
        {
            result.AddError("--prompt needs the corrupted prompt too; give --patch-prompt TEXT, of as many tokens");
        }
        if (result.IsGiven(_metric.Kind)) OptionLimits.FoilNeedsLogitDiff(result, _prompt.Foil, _metric.Kind);
        if (result.IsGiven(_force) && !result.IsGiven(_out)) result.AddError("--force goes with --out");
        var kinds = ListOptions.Items(result.GetValue(_what) ?? "");
        if (result.IsGiven(_byPosition) && kinds.All(k => k is "resid" or "attn" or "mlp"))
        {
            result.AddError("--by-position goes with --what z, q, k, v or pattern; resid, attn and mlp are by position anyway");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var (start, place, force) = (Stopwatch.GetTimestamp(), parsed.GetValue(_out), parsed.GetValue(_force));
        if (place is not null) PatchDirectory.CheckFree(place, force);
        var file = parsed.GetValue(_prompt.Many);
        IReadOnlyList<PromptTask> tasks = file is null ? [_prompt.Task(parsed, _patch)]
            : [.. PromptFile.Read(file).Select(l => l.Task ?? throw new PromptException($"{file}, line {l.Line}: {l.Error}"))];
        var request = Request(parsed);
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var model = LoadedModel.Open(parsed.GetRequiredValue(_model), null, _common.Context(parsed, cancel, _memory));
        progress.Dispose();
        if (file is not null) TemplateTokens.Check(tasks, model.Tokenizer);
        TwiceBegun.Warn(model, tasks, request.PrependBos, file is not null, parsed.InvocationConfiguration.Error);
        var run = PatchRun.Find(model, tasks, request, progress);
        if (place is not null)
        {
            progress.Report("writing");
            run.Write(place, force ? WriteMode.Replace : WriteMode.CreateNew);
        }
        progress.Dispose();
        var report = new PatchReport(run, parsed.GetValue(_top));
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parsed.GetValue(_json)) Screen.WriteJson(parsed.InvocationConfiguration.Output, report.ToJson(place, seconds));
        else report.Print(parsed.InvocationConfiguration.Output, place, seconds);
        return ExitCodes.Done;
    }

    private PatchRequest Request(ParseResult parsed)
    {
        var kinds = ListOptions.Items(parsed.GetRequiredValue(_what)).Distinct().Select(k => EnumName.ValueOf<PatchKind>(k)!.Value);
        var direction = EnumName.ValueOf<PatchDirection>(parsed.GetRequiredValue(_direction))!.Value;
        return new PatchRequest([.. kinds], direction, _metric.KindIn(parsed), parsed.WrittenOut())
        {
            ByPosition = parsed.GetValue(_byPosition),
            Estimate = parsed.GetValue(_estimate),
            Position = parsed.GetValue(_metric.Position),
            PrependBos = parsed.GetValue(_prompt.PrependBos),
        };
    }
}
