using System.CommandLine;
using System.CommandLine.Help;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Cli.Verbs;

namespace OnnxAttribution.Cli;

/// <summary>The whole command line: verbs in, exit code out.
/// 0 done, 1 failed, 2 wrong usage, 128 and its number if ended by a signal (130: Ctrl-C); an error is one line on stderr.</summary>
internal static class CommandLine
{
    private const string Description = """
        Draws the circuit of features that makes a language model (GPT-2, Pythia, Llama, or any that is exported to ONNX) predict a token.

        Example: onnx-attribution export --checkpoint models/tiny --out models/tiny
                 onnx-attribution graph --model models/tiny --prompt "Copyright (C" --target ")" --out runs/copyright
        """;

    /// <param name="exit">Ends the process with a code, at once; null where it is not ours to end.</param>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancel = default, Action<int>? exit = null)
    {
        using var display = new DisplayWriter(output, ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected);
        using var errors = new DisplayWriter(error, ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected);
        return Run(args, display, errors, exit, cancel);
    }

    private static int Run(string[] args, DisplayWriter output, DisplayWriter error, Action<int>? exit, CancellationToken cancel)
    {
        var common = new CommonOptions();
        var groups = Groups(common, exit);
        var root = new RootCommand(Description);
        foreach (var (verb, _) in groups.SelectMany(g => g.Verbs)) root.Add(verb);
        root.Add(BenchCommand.Create());
        common.AddTo(root, new VersionReport());
        IReadOnlySet<string>? options = null;
        try
        {
            // a prompt may begin with '@' or '-': no response files, no bundles of letters
            var parser = new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false };
            if (Suggestions.Of(root, parser, args) is { } words) return Suggest(words, output);
            var parsed = root.Parse(args, parser);
            if (parsed.Action is not HelpAction && UsageError.Of(parsed) is { } usage) throw new UsageException(usage);
            if (parsed.Action is HelpAction && parsed.CommandResult.Command == root) return Help(parsed, groups, output, cancel);
            options = UsageError.OptionNames(parsed.CommandResult).ToHashSet();
            return Invoked(parsed, output, error, cancel);
        }
        catch (Exception e)
        {
            var cause = FailureLine.CauseOf(e);
            var line = FailureLine.Of(cause, args.FirstOrDefault() ?? "it", options);
            return Report(cause, line, error, args.Contains(common.Verbose.Name), cancel);
        }
        finally
        {
            output.Flush();
        }
    }

    private static IReadOnlyList<VerbGroup> Groups(CommonOptions common, Action<int>? exit) =>
    [
        new("Prepare",
            (FetchCommand.Create(), "fetch a model and published dictionaries from the Hugging Face hub"),
            (ExportCommand.Create(common), "make a bundle of a checkpoint, or of another program's ONNX, and dictionaries"),
            (FeaturesCommand.Create(common), "read a text for what makes each feature active; look features up")),
        new("Draw",
            (GraphCommand.Create(common), "find which features cause which while the model predicts a token"),
            (MergeCommand.Create(), "bring the shards of a dataset together that lie in several directories"),
            (ViewCommand.Create(), "draw a run: as a page, a figure for print, a plot, or for another program")),
        new("Check",
            (ValidateCommand.Create(common), "compare a graph with real interventions"),
            (SaeCommand.Create(common), "see whether dictionaries fit their model")),
        new("Ablate",
            (AblateCommand.Create(common), "take features away for real: each in turn, a circuit, or one by degrees"),
            (PatchCommand.Create(common), "patch activations and heads between two runs, layer by layer")),
        new("Read",
            (LensCommand.Create(common), "read the residual stream layer by layer, and what adds to a logit directly"),
            (HeadsCommand.Create(common), "explain attention: a run's strongest heads, and a score by pairs of features"),
            (CompareCommand.Create(), "put two runs side by side: what both graphs have, and what one"),
            (QueryCommand.Create(common, exit), "ask a run, or many, in SQL"),
            (ClusterCommand.Create(common), "put a dataset's prompts in clusters by their circuits, or by a site")),
        new("Set up",
            (CompletionCommand.Create(), "print a script that completes verbs and options in your shell")),
    ];

    private static int Help(ParseResult parsed, IReadOnlyList<VerbGroup> groups, TextWriter output, CancellationToken cancel)
    {
        using var help = new StringWriter();
        var code = Invoked(parsed, help, help, cancel);
        output.Write(VerbGroup.Listed(help.ToString(), groups));
        return code;
    }

    private static int Invoked(ParseResult parsed, TextWriter output, TextWriter error, CancellationToken cancel)
    {
        var invocation = new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null
        };
        return parsed.InvokeAsync(invocation, cancel).GetAwaiter().GetResult();
    }

    private static int Suggest(IEnumerable<string> words, TextWriter output)
    {
        foreach (var word in words) output.WriteLine(word);
        return ExitCodes.Done;
    }

    private static int Report(Exception e, string line, TextWriter error, bool verbose, CancellationToken cancel)
    {
        var cancelled = e is OperationCanceledException && cancel.IsCancellationRequested;
        try
        {
            if (verbose && e is not UsageException) error.WriteLine(e);
            error.WriteLine(!cancelled ? $"onnx-attribution: {line}"
                : e is CancelledException ? FailureLine.OneLine(e.Message) : "onnx-attribution: cancelled; nothing was written");
        }
        catch (Exception w) when (w is IOException or UnauthorizedAccessException)
        {
            // stderr is full or closed: the exit code is all that is left to say it
        }
        return cancelled ? ExitCodes.Cancelled : e is UsageException ? ExitCodes.WrongUsage : ExitCodes.Failed;
    }
}
