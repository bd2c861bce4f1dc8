using System.CommandLine;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Cli;

namespace OnnxAttribution.Bench;

/// <summary>The program's command line: options in, exit code out, an error as one line on stderr, as <see cref="CommandLine"/>.</summary>
internal static class BenchProgram
{
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancel = default)
    {
        using var display = new DisplayWriter(output, ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected);
        using var errors = new DisplayWriter(error, ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected);
        try
        {
            var (common, options) = (new CommonOptions(), new BenchOptions());
            var root = new RootCommand(BenchOptions.Description);
            common.AddTo(root, new VersionReport());
            options.AddTo(root);
            root.SetAction((parsed, token) => Task.Run(() => Time(parsed, common, options, token), CancellationToken.None));
            var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
            if (parsed.Action is not System.CommandLine.Help.HelpAction && Misused(parsed) is { } wrong) throw new UsageException(wrong);
            var invocation = new InvocationConfiguration
            {
                Output = display,
                Error = errors,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return parsed.InvokeAsync(invocation, cancel).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            errors.WriteLine("bench: cancelled");
            return ExitCodes.Cancelled;
        }
        catch (Exception e)
        {
            errors.WriteLine($"bench: {FailureLine.Of(e, "bench")}");
            return e is UsageException ? ExitCodes.WrongUsage : ExitCodes.Failed;
        }
    }

    private static string? Misused(ParseResult parsed)
    {
        var wrong = parsed.UnmatchedTokens is [var unknown, ..] ? $"there is no option '{unknown}'"
            : parsed.Errors is [var first, ..] ? UsageError.Sentence(first) : UsageError.EmptyPath(parsed);
        return wrong is null ? null : $"{wrong}; see --help";
    }

    private static void Time(ParseResult parsed, CommonOptions common, BenchOptions options, CancellationToken cancel)
    {
        if (options.Tables(parsed) is { } page)
        {
            MarkedTables.Fill(page, Directory.GetCurrentDirectory());
            return;
        }
        var peers = options.Peers(parsed);
        var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        var context = common.Context(parsed, cancel, options.Memory);
        using var progress = new ProgressLine(error);
        if (options.Coverage(parsed) is { } graphs)
        {
            var summary = CoverageSummary.Of(CoverageBenchmark.Measure(graphs, CoverageSize.Usual, context, progress.Report));
            progress.Dispose();
            if (options.IsJson(parsed)) output.Write(summary.Json());
            else summary.Print(output);
            return;
        }
        IBenchRecord record;
        if (options.Dataset(parsed) is { } prompts)
        {
            record = DatasetBenchmark.Measure(prompts, options.Cache(parsed), context, progress.Report);
        }
        else
        {
            var request = options.Request(parsed, context, progress.Report);
            record = options.Batch(parsed) is { } batch ? BatchBenchmark.Run(request, batch)
                : options.Ablates(parsed) ? AblationBenchmark.Run(request, options.Ablation(parsed))
                : GraphBenchmark.Run(request, options.Program(parsed)) with { Peers = peers };
        }
        progress.Dispose();
        if (options.IsJson(parsed)) output.Write(RecordFile.Text(record));
        else record.Print(output);
        if (options.RecordIn(parsed) is { } directory) error.WriteLine($"wrote {RecordFile.Write(directory, record)}");
    }
}
