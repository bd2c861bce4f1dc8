using System.CommandLine;
using System.CommandLine.Help;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Verbs;

namespace OnnxAttribution.Cli;

/// <summary>The whole command line: verbs in, exit code out.
/// 0 done, 1 failed, 2 wrong usage, 128 and its number if ended by a signal (130: Ctrl-C); an error is one line on stderr.</summary>
internal static class CommandLine
{
    public const int Done = 0, Failed = 1, WrongUsage = 2, Cancelled = 130;

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
        var root = new RootCommand(Description)
        {
            ExportCommand.Create(common),
            GraphCommand.Create(common),
            ValidateCommand.Create(common),
            AblateCommand.Create(common),
            FeaturesCommand.Create(common),
            SaeCommand.Create(common),
            ViewCommand.Create(),
            QueryCommand.Create(common, exit),
            BenchCommand.Create(),
        };
        common.AddTo(root);
        root.Options.OfType<VersionOption>().Single().Action = new VersionReport();
        try
        {
            var parsed = Parsed(root, args);
            if (parsed.Action is not HelpAction && UsageError.Of(parsed) is { } usage) throw new UsageException(usage);
            var invocation = new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null
            };
            return parsed.InvokeAsync(invocation, cancel).GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            return Report(Unwrapped(e), args.FirstOrDefault() ?? "it", error, args.Contains(common.Verbose.Name), cancel);
        }
        finally
        {
            output.Flush();
        }
    }

    private static ParseResult Parsed(RootCommand root, string[] args)
    {
        try
        {
            // a prompt may begin with '@' or '-': no response files, no bundles of letters
            return root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        }
        catch (InvalidOperationException e)   // a validator read an option that is given twice
        {
            throw new UsageException($"{UsageError.Words(e.Message)}; see 'onnx-attribution {args.FirstOrDefault()} --help'");
        }
    }

    /// <summary>The command line as a shell would take it.</summary>
    internal static string WrittenOut(ParseResult parsed) =>
        string.Join(' ', parsed.Tokens.Select(t => t.Value.Length > 0 && t.Value.All(c => char.IsLetterOrDigit(c) || "-_./,=:+".Contains(c))
            ? t.Value
            : $"'{t.Value.Replace("'", "'\\''")}'").Prepend("onnx-attribution"));

    private static int Report(Exception e, string verb, TextWriter error, bool verbose, CancellationToken cancel)
    {
        var cancelled = e is OperationCanceledException && cancel.IsCancellationRequested;
        try
        {
            if (verbose && e is not UsageException) error.WriteLine(e);
            error.WriteLine(!cancelled ? $"onnx-attribution: {FailureLine.Of(e, verb)}"
                : e is CancelledException ? FailureLine.OneLine(e.Message) : "onnx-attribution: cancelled; nothing was written");
        }
        catch (Exception w) when (w is IOException or UnauthorizedAccessException)
        {
            // stderr is full or closed: the exit code is all that is left to say it
        }
        return cancelled ? Cancelled : e is UsageException ? WrongUsage : Failed;
    }

    private static Exception Unwrapped(Exception e) => e switch
    {
        AggregateException { InnerExceptions: [var only] } => Unwrapped(only),
        TypeInitializationException { InnerException: { } inner } => Unwrapped(inner),
        _ => e,
    };
}
