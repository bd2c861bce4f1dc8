using System.CommandLine.Parsing;
using System.CommandLine;
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
internal static class ValidateCommand
{
    private const string Description = """
        Check a run of 'graph' against real interventions: patch nodes, follow edges, and compare with the run's own effects.
        Adds validation.parquet to the run, and a summary to its run.json.

        Example: onnx-attribution validate runs/copyright --compare gradient,ig,relp,frozen --fail-under pearson=0.9
        """;

    public static Command Create(CommonOptions common)
    {
        var run = new Argument<string>("RUN") { Description = "a run directory that 'onnx-attribution graph' made of one prompt" };
        var model = ModelOptions.OptionalModel("the bundle that the run was made with; default: where it was then");
        var sample = new Option<int>("--sample")
        {
            Description = "nodes to check, and five times as many edges: a third strongest, a third kept, a third dropped",
            HelpName = "N",
            DefaultValueFactory = _ => 200
        };
        var seed = ModelOptions.Seed("of the random part of the sample");
        var all = new Option<bool>("--all") { Description = "check every node, and every edge that the run holds" };
        var compare = new Option<string?>("--compare")
        {
            Description =
                $"judge these too, against the same exact effects: {string.Join(", ", JudgedEstimator.Names)}, with commas between",
            HelpName = "NAMES"
        };
        var steps = new Option<int>("--steps") { Description = "steps of --compare ig", HelpName = "N", DefaultValueFactory = _ => 10 };
        var memory = ModelOptions.Memory("memory that one pass may take");
        var json = OutputOptions.Json();
        var failUnder = new FailUnder();
        sample.AtLeast(1);
        steps.AtLeast(1);
        seed.AtLeast(0);
        compare.Validators.Add(Known);
        var command = new Command("validate",
            Description) { run, model, sample, seed, all, compare, steps, memory, failUnder.Option, json };
        command.Validators.Add(result =>
        {
            if (!result.GetValue(all)) return;
            Option[] ofSample = [sample, seed];
            if (ofSample.FirstOrDefault(o => result.IsGiven(o)) is { } contradicting)
            {
                result.AddError($"--all draws no sample, so {contradicting.Name} contradicts it; give one of them");
            }
        });
        command.Runs((parsed, cancel) =>
        {
            var start = Stopwatch.GetTimestamp();
            var request = new ValidationRequest(parsed.GetValue(sample), parsed.GetValue(all), parsed.GetValue(seed),
                parsed.Items(compare), parsed.GetValue(steps));
            using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
            progress.Report("reading the run");
            var finished = FinishedRun.Read(parsed.GetRequiredValue(run), cancel);
            progress.Dispose();
            TwiceBegun.Warn(finished.Record, parsed.InvocationConfiguration.Error);
            try
            {
                using var session = finished.Open(parsed.GetValue(model), common.Context(parsed, cancel, memory));
                var validation = ValidationRun.Of(finished, session, request, progress);
                progress.Report("writing");
                validation.Write(cancel);
            }
            catch (OperationCanceledException)
            {
                throw new CancelledException($"onnx-attribution: cancelled; {finished.Path} is as it was");
            }
            PageOfRun.Refresh(finished.Path, cancel);
            progress.Dispose();
            var report = new ValidationReport(finished.Record, finished.Path, Stopwatch.GetElapsedTime(start).TotalSeconds);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) Screen.WriteJson(output, report.ToJson());
            else report.Print(output);
            return Judged(finished.Record.Validation!, parsed.GetValue(failUnder.Option) ?? [], finished.Path,
                parsed.InvocationConfiguration.Error);
        });
        return command;
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
        if (names.FirstOrDefault(n => !JudgedEstimator.Names.Contains(n)) is { } unknown)
        {
            result.AddError($"--compare knows no '{unknown}'. Did you mean '{SpellCheck.Among(JudgedEstimator.Names, unknown)}'? It knows "
                + $"{string.Join(", ", JudgedEstimator.Names)}");
        }
    }
}
