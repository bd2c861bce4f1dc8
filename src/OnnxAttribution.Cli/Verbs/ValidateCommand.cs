using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>validate</c>: a run's approximate effects against real interventions.</summary>
internal sealed class ValidateCommand
{
    private const string Description = """
        Check a run of 'graph' against real interventions: patch nodes, follow edges, and compare with the run's own effects.
        Adds validation.parquet to the run, and a summary to its run.json. With --bound, bound what the graph has left out instead.

        Example: onnx-attribution validate runs/copyright --compare gradient,ig,relp,frozen,gim,atpstar --fail-under pearson=0.9
        """;

    private readonly CommonOptions _common;
    private readonly Argument<string> _run =
        new("RUN") { Description = "a run directory that 'onnx-attribution graph' made of one prompt" };
    private readonly Option<string?> _model =
        ModelOptions.OptionalModel("the bundle that the run was made with; default: where it was then");
    private readonly Option<int> _sample = NumberOptions.Whole("--sample",
        "nodes to check, and five times as many edges: a third strongest, a third kept, a third dropped", value: 200, least: 1);
    private readonly Option<int> _seed = ModelOptions.Seed("of what is drawn at random");
    private readonly Option<bool> _all = new("--all") { Description = "check every node, and every edge that the run holds" };
    private readonly Option<string?> _compare = new("--compare")
    {
        Description = $"judge these too, against the same exact effects: {string.Join(", ", JudgedEstimator.Names)}, "
            + $"depth-K for K blocks really run, {JudgedEstimator.EveryDepth} for every depth; with commas between",
        HelpName = "NAMES"
    };
    private readonly Option<int> _steps = NumberOptions.Whole("--steps", "steps of --compare ig", value: 10, least: 1);
    private readonly Option<int> _memory = ModelOptions.Memory("memory that one pass may take");
    private readonly CertificateOptions _bound;
    private readonly FailUnder _failUnder = new();
    private readonly Option<bool> _json = OutputOptions.Json();

    private ValidateCommand(CommonOptions common)
    {
        _common = common;
        _bound = new CertificateOptions("--bound", _seed);
        _seed.AtLeast(0);
        _compare.Validators.Add(Known);
        _compare.Completes([.. JudgedEstimator.Names]);
    }

    public static Command Create(CommonOptions common) => new ValidateCommand(common).Made();

    private Command Made()
    {
        var command = new Command("validate",
            Description) { _run, _model, _sample, _seed, _all, _compare, _steps, _memory, _failUnder.Option, _json };
        foreach (var option in _bound.All) command.Options.Add(option);
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (result.IsGiven(_steps) && result.GetResult(_compare)?.Tokens.Any(t => ListOptions.Items(t.Value).Contains("ig")) != true)
        {
            result.AddError("--steps goes with --compare ig; a run's own estimator takes as many as it did");
        }
        if (result.GetValue(_all) && ((Option[])[_sample, _seed]).FirstOrDefault(result.IsGiven) is { } contradicting)
        {
            result.AddError($"--all draws no sample, so {contradicting.Name} contradicts it; give one of them");
        }
        _bound.Contradict(result);
        Option[] checks = [_sample, _all, _compare, _failUnder.Option];
        if (_bound.IsAsked(result) && checks.FirstOrDefault(result.IsGiven) is { } other)
        {
            result.AddError($"--bound bounds what was left out and checks nothing else, so {other.Name} contradicts it; "
                + "give them in two calls");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("reading the run");
        var path = parsed.GetRequiredValue(_run);
        var finished = AsItWas(path, () => FinishedRun.Read(path, cancel));
        progress.Dispose();
        TwiceBegun.Warn(finished.Record, parsed.InvocationConfiguration.Error);
        AsItWas(finished.Path, () => AddTo(finished, parsed, progress, cancel));
        PageOfRun.Refresh(finished.Path, cancel);
        progress.Dispose();
        if (_bound.Request(parsed) is not null) return Bounded(finished, parsed, Stopwatch.GetElapsedTime(start).TotalSeconds);
        var report = new ValidationReport(finished.Record, finished.Path, Stopwatch.GetElapsedTime(start).TotalSeconds);
        var output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
        return Judged(finished.Record.Validation!, parsed.GetValue(_failUnder.Option) ?? [], finished.Path,
            parsed.InvocationConfiguration.Error);
    }

    private int Bounded(FinishedRun finished, ParseResult parsed, double seconds)
    {
        var report = new CertificateReport(finished.Record, finished.Path, seconds);
        var output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
        return ExitCodes.Done;
    }

    private FinishedRun AddTo(FinishedRun run, ParseResult parsed, ProgressLine progress, CancellationToken cancel)
    {
        var request = new ValidationRequest(parsed.GetValue(_sample), parsed.GetValue(_all), parsed.GetValue(_seed),
            parsed.Items(_compare), parsed.GetValue(_steps));
        using var model = run.Open(parsed.GetValue(_model), _common.Context(parsed, cancel, _memory));
        if (_bound.Request(parsed) is { } bound)
        {
            CertificateRun.Find(run, model, bound, progress).Write(cancel);
            return run;
        }
        var validation = ValidationRun.Find(run, model, request, progress);
        progress.Report("writing");
        validation.Write(cancel);
        return run;
    }

    /// <exception cref="CancelledException">Cancelled; the run is as it was.</exception>
    private static FinishedRun AsItWas(string path, Func<FinishedRun> step)
    {
        try
        {
            return step();
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException($"onnx-attribution: cancelled; {path} is as it was");
        }
    }

    private static int Judged(ValidationRecord validation, string[] limits, string path, TextWriter error)
    {
        var shortfalls = FailUnder.Shortfalls(validation, limits);
        if (shortfalls.Count == 0) return ExitCodes.Done;
        error.WriteLine($"onnx-attribution: {path} falls short: {string.Join("; ", shortfalls)}");
        return ExitCodes.Failed;
    }

    private static void Known(OptionResult result)
    {
        if (result.Tokens is not [var token, ..]) return;
        var names = ListOptions.Items(token.Value);
        if (names.Length == 0) result.AddError($"--compare is empty; give some of {string.Join(", ", JudgedEstimator.Names)}");
        if (names.FirstOrDefault(n => !JudgedEstimator.Knows(n)) is { } unknown)
        {
            var nearest = SpellCheck.Among([.. JudgedEstimator.Names, JudgedEstimator.EveryDepth], unknown);
            result.AddError($"--compare knows no '{unknown}'. Did you mean '{nearest}'? It knows "
                + $"{string.Join(", ", JudgedEstimator.Names)}, {JudgedEstimator.EveryDepth}, and depth-K for a number of blocks");
        }
    }
}
