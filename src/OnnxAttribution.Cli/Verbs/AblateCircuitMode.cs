using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>ablate --circuit</c>: all features of a circuit at once, or all but them, and what that does to the next token;
/// <c>ablate --set</c>: features set to values.</summary>
internal sealed class AblateCircuitMode : AblateMode
{
    private readonly Option<string?> _choice;
    private readonly Option<bool> _keep =
        new("--keep") { Description = "ablate everything but the circuit: all other features of the selected sites" };
    private readonly Option<float> _coefficient;
    private readonly Option<int> _controls;
    private readonly bool _sets;

    private AblateCircuitMode(Option<string?> choice, Option<float> coefficient, Option<int> controls, bool sets) =>
        (_choice, _coefficient, _controls, _sets) = (choice, coefficient, controls, sets);

    /// <summary>A circuit that is ablated, scaled or kept.</summary>
    public static AblateCircuitMode OfCircuit(Option<float> coefficient, Option<int> controls) => new(new Option<string?>("--circuit")
    {
        Description = "ablate a circuit at once: a run directory (with #2 behind it its second separate circuit), its nodes.parquet, "
            + "a subgraph.json saved from a page or graph JSON with pins (each of its groups alone, too), a text file, or "
            + "site:features, such as 3:953;4.mlp:7780,312@5;4:error@5",
        HelpName = "CIRCUIT"
    }, coefficient, controls, sets: false);

    /// <summary>Features that are set to values, active or not.</summary>
    public static AblateCircuitMode OfValues(Option<float> coefficient, Option<int> controls)
    {
        var set = new Option<string?>("--set")
        {
            Description = "set features to values, also such as are not active: site:feature=value, such as 3:953=12@5;4:7780=0",
            HelpName = "CIRCUIT"
        };
        set.NotEmpty("features and values, such as 3:953=12@5");
        return new AblateCircuitMode(set, coefficient, controls, sets: true);
    }

    public override IReadOnlyList<Option> Options => _sets ? [_choice, _controls] : [_choice, _keep, _coefficient, _controls];

    public override Option Choice => _choice;

    public override bool NeedsModel => _sets;

    public override void Validate(CommandResult result, AblateArguments shared)
    {
        shared.Prompt.RefuseBesideMany(result, shared.Prompt.Target, shared.Prompt.Foil);
        if (result.GetValue(shared.Force) && result.GetResult(shared.Out) is null) result.AddError("--force goes with --out");
    }

    public override int Run(ParseResult parsed, AblateArguments shared, RunContext context, long start)
    {
        var (file, force) = (parsed.GetValue(shared.Out), parsed.GetValue(shared.Force));
        if (file is not null) RunDirectory.CheckRowsFree<CircuitRow>(file, force);
        var given = parsed.GetRequiredValue(_choice)!;
        var source = _sets ? CircuitSource.OfValues(given) : CircuitSource.Open(given, context.Cancel);
        // a run has a prompt of its own
        var tasks = source.Run is not null && parsed.GetValue(shared.Prompt.One) is null && parsed.GetValue(shared.Prompt.Many) is null
            ? null
            : Tasks(parsed, shared, source);
        if (source.Run is null && parsed.GetValue(shared.Prompt.Foil) is not null && shared.Metric.KindIn(parsed) != MetricKind.LogitDiff)
        {
            throw new UsageException("--foil goes with --metric logit-diff");
        }
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var session = shared.Open(parsed, context, source);
        if (tasks is not null) shared.Check(parsed, session, tasks, progress, (source.Run as PromptRunRecord)?.PrependBos);
        var options = new CircuitAblationOptions(_sets ? 0 : parsed.GetValue(_coefficient), !_sets && parsed.GetValue(_keep),
            new(shared.Metric.KindIn(parsed), parsed.GetValue(shared.Metric.Position)), parsed.GetValue(_controls),
            parsed.GetValue(shared.Seed));
        var bos = parsed.GetValue(shared.Prompt.PrependBos);
        var request = new CircuitRequest(options, shared.Metric.GivenIn(parsed), parsed.GetValue(shared.Prompt.Target),
            parsed.GetValue(shared.Prompt.Foil), bos);
        var run = source.Run is null
            ? CircuitRun.Find(session, source, tasks!, request, progress)
            : CircuitRun.FindAgain(session, source, tasks, request, progress);
        if (file is not null) run.Write(file, force);
        progress.Dispose();
        var report = new CircuitReport(run, session, source, file, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (parsed.GetValue(shared.Json)) Screen.WriteJson(parsed.InvocationConfiguration.Output, report.ToJson());
        else report.Print(parsed.InvocationConfiguration.Output);
        return ExitCodes.Done;
    }

    private static IReadOnlyList<PromptTask> Tasks(ParseResult parsed, AblateArguments shared, CircuitSource source)
    {
        if (parsed.GetValue(shared.Prompt.One) is null && parsed.GetValue(shared.Prompt.Many) is null) source.RequireRun();
        return shared.Tasks(parsed);
    }
}
