using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Curves;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>ablate --up … --down …</c>: a downstream feature's activation against the coefficient of an upstream one.</summary>
internal sealed class AblateCurveMode : AblateMode
{
    private readonly Option<string?> _up = new("--up")
    {
        Description = "a response curve: the feature to scale, such as 3:953, 3.mlp:7 or blocks.3.hook_attn_out:12, "
            + "with @5 behind it at one position only",
        HelpName = "FEATURE",
    };
    private readonly Option<string?> _down = new("--down")
    {
        Description = "the feature to read, of a later site; shown at --position, by default where it responds most",
        HelpName = "FEATURE"
    };
    private readonly Option<string> _coefficients = new("--coefficients")
    {
        Description = "what --up is scaled with: a range with its step, or a list; 1 is the clean run",
        HelpName = "A..B:STEP|C,C",
        DefaultValueFactory = _ => "0..1:0.1",
    };

    public override IReadOnlyList<Option> Options => [_up, _down, _coefficients];

    public override Option Choice => _up;

    public override IReadOnlyList<Option> Unused(AblateArguments shared) =>
        [shared.Prompt.Many, shared.Prompt.Target, shared.Prompt.Foil, shared.Metric.Kind, shared.Sites, shared.Seed];

    public override void Validate(CommandResult result, AblateArguments shared)
    {
        if (result.GetResult(_down) is null) result.AddError("--up needs the feature to read: add --down, such as --down 4:7780");
        Check(result, _up, "--up: ", text => FeatureName.Parse(text));
        Check(result, _down, "--down: ", text =>
        {
            if (FeatureName.Parse(text).Position is { } p)
            {
                throw new FormatException(
                    $"'{text}' names a position, but the feature is read at all of them; write --position {p} to see that one");
            }
        });
        Check(result, _coefficients, "--", text => Coefficients.Parse(text));
    }

    public override int Run(ParseResult parsed, AblateArguments shared, RunContext context, long start)
    {
        var invocation = parsed.InvocationConfiguration;
        var (up, down) = (FeatureName.Parse(parsed.GetValue(_up)!), FeatureName.Parse(parsed.GetValue(_down)!));
        var coefficients = Coefficients.Parse(parsed.GetRequiredValue(_coefficients));
        var task = shared.Tasks(parsed)[0];
        var (file, force) = (parsed.GetValue(shared.Out), parsed.GetValue(shared.Force));
        if (file is not null) RunDirectory.CheckRowsFree<CurveRow>(file, force);
        using var progress = new ProgressLine(invocation.Error);
        progress.Report("opening the model");
        using var model = shared.Open(parsed, context, [up.Site, down.Site]);
        shared.Check(parsed, model, [task], progress);
        progress.Report("running");
        var run = CurveRun.Find(model, task, new CurveRequest(up, down, coefficients, parsed.GetValue(shared.Prompt.PrependBos)));
        var position = parsed.GetValue(shared.Metric.Position) ?? run.Curve.StrongestPosition;
        model.RequirePosition(position, run.Curve.Tokens.Count);
        if (file is not null) run.Write(file, force);
        progress.Dispose();
        var labels = RunLabels.OfBundle(model.Bundle.Directory, model.BundleHash);
        var report = new CurveReport(run, position, file, labels, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (parsed.GetValue(shared.Json)) Screen.WriteJson(invocation.Output, report.ToJson());
        else report.Print(invocation.Output);
        return ExitCodes.Done;
    }

    private static void Check(CommandResult result, Option option, string lead, Action<string> parse)
    {
        if (result.GetResult(option)?.Tokens is not [{ Value: var text }, ..]) return;
        try
        {
            parse(text);
        }
        catch (FormatException e)
        {
            result.AddError(lead + e.Message);
        }
    }
}
