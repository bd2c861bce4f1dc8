using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>heads</c>: a run's strongest attention heads, and a head's score split into pairs of features.</summary>
internal sealed class HeadsCommand
{
    private const string Description = """
        Explain attention in a run: which heads its edges pass (of a run of 'graph --heads'), or, with --head, why a head attends
        from a query to a key: its score q·k/√d, split into pairs of features and added to the run as score_pairs.parquet.

        Example: onnx-attribution heads runs/copyright --head 2.1 --query 5 --key 4
        """;

    private readonly CommonOptions _common;
    private readonly Argument<string> _run = new("RUN") { Description = "a run directory of one prompt" };
    private readonly Option<string?> _head = HeadOptions.One("the head whose score is split");
    private readonly Option<int?> _query =
        new("--query") { Description = "position of the query, from 0; default: the metric's", HelpName = "N" };
    private readonly Option<int?> _key =
        new("--key") { Description = "position of the key, from 0; default: the one that the query attends to most", HelpName = "N" };
    private readonly Option<int> _top =
        NumberOptions.Whole("--top", "how many heads are listed; with --head, how many pairs", value: 12, least: 1);
    private readonly Option<string?> _model =
        ModelOptions.OptionalModel("the bundle that the run was made with; default: where it was then");
    private readonly Option<bool> _json = OutputOptions.Json();

    private HeadsCommand(CommonOptions common)
    {
        _common = common;
        _query.AtLeast(0);
        _key.AtLeast(0);
    }

    public static Command Create(CommonOptions common) => new HeadsCommand(common).Made();

    private Command Made()
    {
        var command = new Command("heads", Description) { _run, _head, _query, _key, _top, _model, _json };
        command.Validators.Add(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (result.IsGiven(_head)) return;
        if (((Option[])[_query, _key, _model]).FirstOrDefault(result.IsGiven) is { } lone)
        {
            result.AddError($"{lone.Name} goes with --head, such as --head 2.1");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        var (path, top, output) = (parsed.GetRequiredValue(_run), parsed.GetValue(_top), parsed.InvocationConfiguration.Output);
        if (parsed.GetValue(_head) is not { } head)
        {
            var list = new HeadListReport(StrongestHeads.Of(path, cancel), path, top, RunLabels.Of(path));
            if (parsed.GetValue(_json)) Screen.WriteJson(output, list.ToJson());
            else list.Print(output);
            return ExitCodes.Done;
        }
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("splitting the score");
        var request = new HeadScoreRequest(HeadName.TryParse(head)!.Value, parsed.GetValue(_query), parsed.GetValue(_key));
        var run = HeadScoreRun.Find(path, request, parsed.GetValue(_model), _common.Context(parsed, cancel));
        run.Write(cancel);
        PageOfRun.Refresh(path, cancel);
        progress.Dispose();
        var report = new HeadScoreReport(run, top, RunLabels.Of(path), Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
        return ExitCodes.Done;
    }
}
