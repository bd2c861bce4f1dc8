using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Preflight;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>sae check</c>: whether a bundle's dictionaries do on its model what they were trained to do.</summary>
internal sealed class SaeCheckCommand
{
    private const string Description = """
        Measure a bundle's dictionaries on a text: L0, variance explained, cross-entropy recovered, dead features. Where figures look wrong,
        try other readings of the dictionary (activation, normalisation, BOS, centring, decoder norms, another site) and say which one fixes
        them, and how to set it.

        Example: onnx-attribution sae check --model models/tiny --strict
        """;

    private readonly CommonOptions _common;
    private readonly Option<string> _model = ModelOptions.Model();
    private readonly Option<string?> _text = new("--text")
    {
        Description = "the text, UTF-8, plain or gzip, lines that hold <|endoftext|> part documents; default: "
            + "some pages that the program brings along",
        HelpName = "FILE"
    };
    private readonly Option<string?> _sites = ModelOptions.Sites("only these");
    private readonly Option<int> _tokens =
        NumberOptions.Whole("--tokens", "tokens of the text to read at most", value: 16384, least: 1);
    private readonly Option<int> _lossTokens = NumberOptions.Whole("--loss-tokens",
        "of these, as many for the cross-entropies, which cost most; 0: none", value: 2048, least: 0);
    private readonly Option<int?> _context = new("--context")
    {
        Description = $"tokens of a sequence, BOS included; default: {CheckOptions.DefaultContext}, or the model's context if shorter",
        HelpName = "N"
    };
    private readonly Option<int> _memory =
        ModelOptions.Memory("memory for activations; where it is too little for all sites, the text is read several times");
    private readonly Option<bool> _strict = new("--strict") { Description = "exit with 1 where a dictionary looks wrong" };
    private readonly Option<bool> _json = OutputOptions.Json();

    private SaeCheckCommand(CommonOptions common)
    {
        _common = common;
        _context.AtLeast(8);
    }

    public static Command Create(CommonOptions common) => new SaeCheckCommand(common).Made();

    private Command Made()
    {
        var command = new Command("check",
            Description) { _model, _text, _sites, _tokens, _lossTokens, _context, _memory, _strict, _json };
        command.Runs(Run);
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        var found = Found(parsed, cancel);
        var report = new SaeCheckReport(found, parsed.GetRequiredValue(_model), Stopwatch.GetElapsedTime(start).TotalSeconds);
        var output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
        return parsed.GetValue(_strict) ? Judged(found, parsed.InvocationConfiguration.Error) : ExitCodes.Done;
    }

    private CheckReport Found(ParseResult parsed, CancellationToken cancel)
    {
        var options = new CheckOptions
        {
            Tokens = parsed.GetValue(_tokens),
            LossTokens = parsed.GetValue(_lossTokens),
            Context = parsed.GetValue(_context),
        };
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var model = LoadedModel.Open(parsed.GetRequiredValue(_model), parsed.Items(_sites), _common.Context(parsed, cancel, _memory));
        return BundleCheck.Run(model, parsed.GetValue(_text), options, progress);
    }

    private static int Judged(CheckReport found, TextWriter error)
    {
        if (found.Findings.Count == 0) return ExitCodes.Done;
        var wrong = found.Findings.Select(f => f.Site).Distinct().ToList();
        error.WriteLine($"onnx-attribution: {wrong.Count} of {found.Sites.Count} "
            + $"{(found.Sites.Count == 1 ? "dictionary" : "dictionaries")} look{(wrong.Count == 1 ? "s" : "")} wrong: "
            + $"{string.Join(", ", wrong)}");
        return ExitCodes.Failed;
    }
}
