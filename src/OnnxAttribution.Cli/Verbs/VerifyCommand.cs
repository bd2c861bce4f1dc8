using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Verification;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>verify</c>: whether this install computes what it should, and with GPT-2's weights what was published.</summary>
internal sealed class VerifyCommand
{
    private const string Description = """
        Run this program's verbs and compare what they say with numbers that it did not compute: PyTorch's for models/tiny, and with
        GPT-2's weights the published ones. Prints expected, measured, tolerance and source; exits with 1 where one misses.

        Example: onnx-attribution verify --model models/tiny
                 onnx-attribution verify --checkpoint gpt2 --dictionaries gpt2/res-jb
        """;

    private readonly CommonOptions _common;
    private readonly Func<string[], CancellationToken, CommandOutcome> _run;
    private readonly Option<string> _model = new("--model")
    {
        Description = "the bundle models/tiny of this program's repository",
        HelpName = "DIR",
        DefaultValueFactory = _ => "models/tiny"
    };
    private readonly Option<string?> _checkpoint = new("--checkpoint")
    {
        Description = "GPT-2-small's folder as the Hugging Face hub has it: its published numbers in the place of the model's",
        HelpName = "DIR"
    };
    private readonly Option<string?> _dictionaries = new("--dictionaries")
    {
        Description = "with --checkpoint: the folder of res-jb's dictionaries; their numbers are reported and do not fail",
        HelpName = "DIR"
    };
    private readonly Option<string?> _only = new("--only")
    {
        Description = "groups or steps by name, such as tiny.graph, with commas between",
        HelpName = "NAMES"
    };
    private readonly Option<string?> _expected = new("--expected")
    {
        Description = "a JSON file of your own commands and numbers",
        HelpName = "FILE"
    };
    private readonly Option<string?> _keep = new("--keep")
    {
        Description = "leave what the commands write in this new folder, to run one of them again by hand",
        HelpName = "DIR"
    };
    private readonly Option<bool> _json = OutputOptions.Json();

    private VerifyCommand(CommonOptions common, Func<string[], CancellationToken, CommandOutcome> run)
    {
        (_common, _run) = (common, run);
        _only.NotEmpty("names, such as tiny.graph");
    }

    /// <param name="run">Runs another command line in this process.</param>
    public static Command Create(CommonOptions common, Func<string[], CancellationToken, CommandOutcome> run) =>
        new VerifyCommand(common, run).Made();

    private Command Made()
    {
        var command = new Command("verify", Description) { _model, _checkpoint, _dictionaries, _only, _expected, _keep, _json };
        command.Checks(result =>
        {
            OptionLimits.NamesDirectory(result, _keep);
            if (result.IsGiven(_dictionaries) && !result.IsGiven(_checkpoint)) result.AddError("--dictionaries goes with --checkpoint");
            if (result.IsGiven(_model) && result.IsGiven(_checkpoint))
            {
                result.AddError("--model and --checkpoint have numbers of their own; give one of them");
            }
        });
        command.Runs(Run);
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        var numbers = parsed.GetValue(_expected) is { } file ? ExpectedNumbers.Open(file) : ExpectedNumbers.Known;
        string[] shared = ["--device", parsed.GetRequiredValue(_common.Device),
            .. _common.UsableThreads(parsed) is { } threads ? ["--threads", $"{threads}"] : Array.Empty<string>()];
        IReadOnlyList<VerifiedValue> values;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            var run = new VerificationRun(words =>
            {
                cancel.ThrowIfCancellationRequested();
                // behind what a step says itself
                return _run(words.Contains("--") || words.Any(w => w is "--device" or "--threads") ? [.. words] : [.. words, .. shared],
                    cancel);
            }, progress);
            values = run.Run(numbers, Places(parsed), parsed.Items(_only), parsed.GetValue(_keep));
        }
        cancel.ThrowIfCancellationRequested();
        var report = new VerificationReport(values, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (parsed.GetValue(_json)) Screen.WriteJson(parsed.InvocationConfiguration.Output, report.ToJson());
        else report.Print(parsed.InvocationConfiguration.Output);
        return values.Any(v => v.Verdict == Verdict.Failed) ? ExitCodes.Failed : ExitCodes.Done;
    }

    private Dictionary<string, string> Places(ParseResult parsed)
    {
        var places = new Dictionary<string, string>();
        if (parsed.GetValue(_checkpoint) is { } checkpoint) places["checkpoint"] = checkpoint;
        if (parsed.GetValue(_dictionaries) is { } dictionaries) places["dictionaries"] = dictionaries;
        if (places.Count > 0) return places;
        var model = parsed.GetRequiredValue(_model);
        if (!File.Exists(Path.Combine(model, BundleManifest.FileName)))
        {
            // somebody's own numbers may need none
            if (parsed.GetValue(_expected) is not null && !parsed.CommandResult.IsGiven(_model)) return places;
            throw new UsageException($"{model} is no bundle; give --model the folder models/tiny of this program's repository, "
                + "or --checkpoint GPT-2's");
        }
        places["model"] = model;
        return places;
    }
}
