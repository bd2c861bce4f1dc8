using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Preflight;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>sae check</c>: whether a bundle's dictionaries do on its model what they were trained to do.</summary>
internal static class SaeCheckCommand
{
    private const string Description = """
        Measure a bundle's dictionaries on a text: L0, variance explained, cross-entropy recovered, dead features. Where figures look wrong,
        try other readings of the dictionary (activation, normalisation, BOS, centring, decoder norms, another site) and say which one mends
        them, and how to set it.

        Example: onnx-attribution sae check --model models/tiny --strict
        """;

    public static Command Create(CommonOptions common)
    {
        var model = ModelOptions.Model();
        var text = new Option<string?>("--text")
        {
            Description = "the text, UTF-8, plain or gzip, lines that hold <|endoftext|> part documents; default: "
                + "some pages that the program brings along",
            HelpName = "FILE"
        };
        var sites = ModelOptions.Sites("only these");
        var tokens = new Option<int>("--tokens")
        {
            Description = "tokens of the text to read at most",
            HelpName = "N",
            DefaultValueFactory = _ => 16384
        };
        var lossTokens = new Option<int>("--loss-tokens")
        {
            Description = "of these, as many for the cross-entropies, which cost most; 0: none",
            HelpName = "N",
            DefaultValueFactory = _ => 2048
        };
        var context = new Option<int?>("--context")
        {
            Description = $"tokens of a sequence, BOS included; default: {CheckOptions.DefaultContext}, or the model's context if shorter",
            HelpName = "N"
        };
        var memory =
            ModelOptions.Memory("memory for activations; where it is too little for all sites, the text is read several times");
        var strict = new Option<bool>("--strict") { Description = "exit with 1 where a dictionary looks wrong" };
        var json = OutputOptions.Json();
        tokens.AtLeast(1);
        lossTokens.AtLeast(0);
        context.AtLeast(8);
        var command = new Command("check", Description) { model, text, sites, tokens, lossTokens, context, memory, strict, json };
        command.Runs((parsed, cancel) =>
        {
            var start = Stopwatch.GetTimestamp();
            var options = new CheckOptions
            {
                Tokens = parsed.GetValue(tokens),
                LossTokens = parsed.GetValue(lossTokens),
                Context = parsed.GetValue(context),
            };
            CheckReport found;
            using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
            {
                progress.Report("opening the model");
                using var loaded = LoadedModel.Open(parsed.GetRequiredValue(model), parsed.Items(sites),
                    common.Context(parsed, cancel, memory));
                found = BundleCheck.Of(loaded, parsed.GetValue(text), options, progress);
            }
            var report = new SaeCheckReport(found, parsed.GetRequiredValue(model), Stopwatch.GetElapsedTime(start).TotalSeconds);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) Screen.WriteJson(output, report.ToJson());
            else report.Print(output);
            if (!parsed.GetValue(strict) || found.Findings.Count == 0) return ExitCodes.Done;
            var wrong = found.Findings.Select(f => f.Site).Distinct().ToList();
            parsed.InvocationConfiguration.Error.WriteLine($"onnx-attribution: {wrong.Count} of {found.Sites.Count} "
                + $"{(found.Sites.Count == 1 ? "dictionary" : "dictionaries")} look{(wrong.Count == 1 ? "s" : "")} wrong: "
                + $"{string.Join(", ", wrong)}");
            return ExitCodes.Failed;
        });
        return command;
    }
}
