using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>query</c>: SQL over the Parquet files of one run or many.</summary>
internal sealed class QueryCommand
{
    private const int TerminalRows = 1000, MostSeconds = 4_000_000;   // 46 days: a timer of .NET waits for no more than 49

    private const string Description = """
        Ask a run, or many, in SQL. Views: nodes, edges (a row per node and edge, with a first column run) and runs (a row per run, from
        run.json); where a run has them also heads (from graph --heads), score_pairs (from heads --head), validation and certificate
        (from validate), faithfulness, tokens and curve (from ablate), and where its bundle has dashboards features (from features; a
        row per feature, to be joined on site and feature).

        Example: onnx-attribution query runs/ioi \
            "SELECT site, count(*) AS n, sum(effect) AS effect FROM nodes WHERE kept GROUP BY ALL ORDER BY effect DESC"
        """;

    private readonly CommonOptions _common;
    private readonly Action<int>? _exit;
    private readonly Argument<string[]> _runs = new("RUN")
    {
        Description = "run directories, or directories whose subdirectories are runs; "
            + "merged, the mean of a batch, counts only without the runs beside it",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = BeforeTheQuery,
    };
    private readonly Argument<string> _sql = new("SQL")
    {
        Description = "one SELECT (or WITH, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN), in DuckDB's dialect; it can only read these runs",
    };
    private readonly Option<string[]> _also = new("--also")
    {
        Description = "a further run, or directory of runs; may be repeated",
        HelpName = "RUN",
        DefaultValueFactory = _ => [],
    };
    private readonly Option<string> _format =
        ChoiceOptions.OneOf("--format", "how to print the rows", "table", "csv", "json", "parquet");
    private readonly Option<bool> _json = new("--json") { Description = "the same as --format json" };
    private readonly Option<string?> _file =
        new("--out") { Description = "write to this file and not to stdout; parquet needs it", HelpName = "FILE" };
    private readonly Option<bool> _force = OutputOptions.Force("a file that is");
    private readonly Option<int?> _timeout = new("--timeout")
    {
        Description = "end the query after so many seconds, whatever it is doing; default: when it is done",
        HelpName = "SECONDS"
    };

    private QueryCommand(CommonOptions common, Action<int>? exit)
    {
        (_common, _exit) = (common, exit);
        _timeout.AtLeast(1);
        _timeout.AtMost(MostSeconds);
    }

    /// <param name="exit">Ends the process with a code, at once; null where it is not ours to end.</param>
    public static Command Create(CommonOptions common, Action<int>? exit) => new QueryCommand(common, exit).Made();

    private Command Made()
    {
        var command = new Command("query", Description) { _runs, _sql, _also, _format, _json, _file, _force, _timeout };
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (result.GetValue(_format) == "parquet" && !result.GetValue(_json) && result.GetValue(_file) is null)
        {
            result.AddError("--format parquet needs a file to write: add --out FILE.");
        }
        if (result.IsGiven(_force) && !result.IsGiven(_file)) result.AddError("--force goes with --out");
        if (result.GetValue(_json) && result.IsGiven(_format) && result.GetValue(_format) != "json")
        {
            result.AddError($"--json and --format {result.GetValue(_format)} contradict each other: give one of them.");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var error = parsed.InvocationConfiguration.Error;
        var query = new RunQuery([.. parsed.GetRequiredValue(_runs), .. parsed.GetRequiredValue(_also)], _common.UsableThreads(parsed));
        foreach (var merged in query.LeftOut)
        {
            error.WriteLine($"note: left out {merged}, the mean of runs beside it; name it alone to query it");
        }
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var seconds = parsed.GetValue(_timeout);
        if (seconds is { } most) limited.CancelAfter(TimeSpan.FromSeconds(most));
        QueryException? Cause(bool tooLarge) =>
            tooLarge ? QueryException.TooLarge() : cancel.IsCancellationRequested ? null : QueryException.TooLong(seconds!.Value);
        using var watch = _exit is null
            ? null
            : new QueryWatch(tooLarge => End(query, Cause(tooLarge), error, _exit), limited.Token);
        try
        {
            Answer(query, parsed, limited.Token);
        }
        catch (OperationCanceledException) when (Cause(tooLarge: false) is { } tooLong)
        {
            throw tooLong;
        }
        return ExitCodes.Done;
    }

    // several, as the shell makes of batch/*: what is there is one, what is not is the query, or a part of one without quotes
    private static string[] BeforeTheQuery(ArgumentResult result)
    {
        var count = 1 + result.Tokens.Skip(1).SkipLast(1).TakeWhile(token => Path.Exists(token.Value)).Count();
        string[] runs = [.. result.Tokens.Take(count).Select(token => token.Value)];
        result.OnlyTake(count);
        return runs;
    }

    /// <summary>Ends the process: the query does not end by itself.</summary>
    /// <param name="cause">null: it was cancelled.</param>
    private static void End(RunQuery query, QueryException? cause, TextWriter error, Action<int> exit)
    {
        error.WriteLine($"onnx-attribution: {(cause is null ? "cancelled; nothing was written" : FailureLine.Of(cause, "query"))}");
        query.RemoveUnfinished();
        exit(cause is null ? ExitCodes.Cancelled : ExitCodes.Failed);
    }

    private void Answer(RunQuery query, ParseResult parsed, CancellationToken cancel)
    {
        var (sql, file, invocation) = (parsed.GetRequiredValue(_sql), parsed.GetValue(_file), parsed.InvocationConfiguration);
        var format = parsed.GetValue(_json) ? "json" : parsed.GetRequiredValue(_format);
        var mode = parsed.GetValue(_force) ? WriteMode.Replace : WriteMode.CreateNew;
        if (file is not null)
        {
            if (format == "parquet") query.WriteParquet(sql, file, mode, cancel);
            else query.WriteText(sql, file, mode, (rows, stream) => Write(rows, format, stream, cancel), cancel);
            return;
        }
        using var result = query.Execute(sql, cancel);
        var drawn = invocation.Output is DisplayWriter { IsTerminal: true } && format == "table" && !result.IsPlan;
        if (drawn) Draw(result, invocation, cancel);
        else Print(result, format, (DisplayWriter)invocation.Output, cancel);
    }

    private static void Print(QueryResult result, string format, DisplayWriter output, CancellationToken cancel)
    {
        try
        {
            using var stdout = output.OpenData();
            Write(result, format, stdout, cancel);
        }
        catch (Exception e) when (e is not OutputException && e is IOException or UnauthorizedAccessException)
        {
            throw new OutputException(e);
        }
    }

    private static void Write(QueryResult result, string format, Stream stream, CancellationToken cancel)
    {
        switch (format)
        {
            case "csv": result.WriteCsv(stream, cancel); break;
            case "json": result.WriteJson(stream, cancel); break;
            default:
                using (var writer = new StreamWriter(stream, leaveOpen: true)) result.WriteTable(writer, cancel);
                break;
        }
    }

    /// <summary>A terminal table needs all its rows at once, and nobody reads more than a thousand.</summary>
    private static void Draw(QueryResult result, InvocationConfiguration invocation, CancellationToken cancel)
    {
        var rows = result.Rows(cancel).Take(TerminalRows + 1).ToList();
        var more = rows.Count > TerminalRows;
        if (more) rows.RemoveAt(TerminalRows);
        var table = new Table().RoundedBorder();
        foreach (var column in result.Columns)
        {
            table.AddColumn(
                new TableColumn(Cell(column.Name)) { Alignment = column.IsNumber ? Justify.Right : Justify.Left, NoWrap = true });
        }
        foreach (var row in rows) table.AddRow(row.Select(Cell));
        var width = 1 + result.Columns.Select((column, c) => 3 + rows.Select(row => row[c]).Append(column.Name).Max(Width)).Sum();
        var console = Screen.On(invocation.Output);
        if (width > console.Profile.Width)   // better lines that the terminal wraps than columns of three letters
        {
            console.Profile.Width = width;
            table.Border(TableBorder.None);
        }
        console.Write(table);
        if (more)
        {
            invocation.Error.WriteLine(
                $"Only the first {TerminalRows} rows are shown. Use --format csv for all of them, or LIMIT in the query.");
        }
    }

    private static Text Cell(string? text) => Screen.Cell(QueryResult.Printed(text), text is null ? new Style(Color.Grey) : Style.Plain);

    private static int Width(string? text) => QueryResult.Printed(text).GetCellWidth();
}
