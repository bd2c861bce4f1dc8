using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>ablate --faithfulness</c>: how much of the metric a run's nodes carry, by how many of them are kept.</summary>
internal sealed class AblateFaithfulnessMode : AblateMode
{
    private static readonly string[] s_kinds = [.. Enum.GetValues<AblationKind>().Select(EnumName.Of)];

    private readonly Option<string?> _run = new("--faithfulness")
    {
        Description =
            "keep the run's strongest nodes only, and measure how much of the metric is left; faithfulness.parquet goes into the run",
        HelpName = "RUN"
    };
    private readonly Option<string?> _ablation = new("--ablation")
    {
        Description =
            "what stands for a node that is not kept, with commas between; default: patch where there are patch prompts, else zero",
        HelpName = string.Join('|', s_kinds)
    };
    private readonly Option<string?> _errors = new("--errors")
    {
        Description = "error nodes stay, are ablated, or count as nodes; default: all three, one after the other",
        HelpName = "keep|remove|nodes"
    };
    private readonly Option<string?> _meanText = new("--mean-text")
    {
        Description = "text in UTF-8, or .gz, that --ablation mean takes means over: documents separated by lines of <|endoftext|>, "
            + "a BOS in front of each where the run has one; the BOS itself counts in no mean and keeps its own values in the prompt",
        HelpName = "FILE"
    };
    private readonly Option<int> _points =
        new("--points") { Description = "circuit sizes on a curve, from 0 to all nodes", HelpName = "N", DefaultValueFactory = _ => 12 };
    private readonly Option<int> _controls;

    public AblateFaithfulnessMode(Option<int> controls)
    {
        _controls = controls;
        _points.AtLeast(2);
        _errors.AcceptOnlyFromAmong([.. Enum.GetValues<ErrorRule>().Select(EnumName.Of)]);
        _ablation.Completes(s_kinds);
        _ablation.NotEmpty($"{string.Join(", ", s_kinds)}, with commas between");
        _ablation.Validators.Add(result =>
        {
            var unknown = result.Tokens.SelectMany(t => ListOptions.Items(t.Value)).FirstOrDefault(k => !s_kinds.Contains(k));
            if (unknown is not null)
            {
                result.AddError($"--ablation cannot be '{unknown}'; it takes {string.Join(", ", s_kinds)}, with commas between");
            }
        });
    }

    public override IReadOnlyList<Option> Options => [_run, _ablation, _errors, _meanText, _points, _controls];

    public override Option Choice => _run;

    public override bool NeedsModel => false;

    public override IReadOnlyList<Option> Unused(AblateArguments shared) => [shared.Out, shared.Force, shared.Sites];

    public override void Validate(CommandResult result, AblateArguments shared)
    {
        var kinds = result.GetResult(_ablation)?.Tokens.SelectMany(t => ListOptions.Items(t.Value)).ToList() ?? [];
        if (kinds.Contains("mean") && result.GetResult(_meanText) is null)
        {
            result.AddError("--ablation mean needs a text to take means over; give --mean-text FILE");
        }
        if (!kinds.Contains("mean") && result.GetResult(_meanText) is not null) result.AddError("--mean-text goes with --ablation mean");
        if (result.GetResult(shared.Prompt.One) is null
            && ((Option[])[shared.Prompt.Target, shared.Prompt.Foil]).FirstOrDefault(o => result.GetResult(o) is not null) is { } option)
        {
            result.AddError(
                $"{option.Name} goes with --prompt; the run's own prompt has the run's, and in a --prompts file each line has its own");
        }
    }

    public override int Run(ParseResult parsed, AblateArguments shared, RunContext context, long start)
    {
        var hasPrompts = parsed.GetValue(shared.Prompt.One) is not null || parsed.GetValue(shared.Prompt.Many) is not null;
        var tasks = hasPrompts ? shared.Tasks(parsed) : null;
        var source = CircuitSource.OfRun(parsed.GetRequiredValue(_run)!, context.Cancel);
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var session = shared.Open(parsed, context, source);
        if (tasks is not null) shared.Check(parsed, session, tasks, progress, (source.Run as PromptRunRecord)?.PrependBos);
        var options = new FaithfulnessOptions(
            parsed.GetValue(_errors) is { } rule ? [Enum.Parse<ErrorRule>(rule, ignoreCase: true)] : null, parsed.GetValue(_points),
            parsed.GetValue(_controls), parsed.GetValue(shared.Seed));
        AblationKind[]? kinds = parsed.Items(_ablation) is { } given
            ? [.. given.Select(k => Enum.Parse<AblationKind>(k, ignoreCase: true)).Distinct()]
            : null;
        var request = new FaithfulnessRequest(options, kinds, parsed.GetValue(_meanText), shared.Metric.GivenIn(parsed),
            parsed.GetValue(shared.Metric.Position), parsed.GetValue(shared.Prompt.PrependBos));
        var run = FaithfulnessRun.Find(session, source, tasks, request, progress);
        progress.Report("writing");
        run.Write(context.Cancel);
        PageOfRun.Refresh(run.Directory, context.Cancel);
        progress.Dispose();
        var report = new FaithfulnessReport(run, context.Calls, Stopwatch.GetElapsedTime(start).TotalSeconds);
        var output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(shared.Json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
        return ExitCodes.Done;
    }
}
