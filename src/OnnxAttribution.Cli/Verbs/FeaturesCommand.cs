using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>features</c>: what a text says about a bundle's features, gathered once and then shown or searched.</summary>
internal sealed class FeaturesCommand
{
    private const string Description = """
        Read a text through the model and write features.parquet into the bundle: for each feature how often and how strongly it is active,
        in which contexts, which tokens it promotes and suppresses, and its nearest neighbours. With --show or --search, read what was
        written; with --prompt, list what is active on a text. An interrupted run is gone on from by the same command. With
        --import-labels, name features by what others say of them; --explain-pack and --score-labels let a language model say it.

        Example: onnx-attribution features --model models/tiny --text corpus.txt.gz --tokens 1000000
                 onnx-attribution features --model models/tiny --show 3:263
                 onnx-attribution features --model models/tiny --prompt "Copyright (C" --sites 3.resid
        """;

    // that are listed of a prompt, unless more are asked for
    private const int FeaturesPerSite = 10;

    private readonly CommonOptions _common;
    private readonly Option<string> _model = ModelOptions.Model();
    private readonly Option<string?> _text = new("--text")
    {
        Description = "the text to read, UTF-8, plain or gzip; lines that hold <|endoftext|> part documents",
        HelpName = "FILE"
    };
    private readonly Option<string?> _show =
        new("--show") { Description = "print one feature, such as 3:953, 2.mlp:7 or blocks.3.hook_attn_out:12", HelpName = "FEATURE" };
    private readonly Option<string?> _search = new("--search")
    {
        Description = "list features that are active on a word, or promote it; capitals do not matter",
        HelpName = "WORD"
    };
    private readonly Option<string?> _sites = ModelOptions.Sites("with --text, --search or --prompt, only these");
    private readonly Option<int?> _tokens = new("--tokens") { Description = "tokens of the text to read; default: all", HelpName = "N" };
    private readonly Option<int> _top = new("--top")
    {
        Description = "strongest contexts per feature; with --prompt: features per site",
        HelpName = "N",
        DefaultValueFactory = _ => 20
    };
    private readonly Option<int> _window =
        new("--window") { Description = "tokens of a context on either side", HelpName = "N", DefaultValueFactory = _ => 10 };
    private readonly Option<int> _quantiles = new("--quantiles")
    {
        Description = "strata of weaker activations, three contexts sampled from each",
        HelpName = "N",
        DefaultValueFactory = _ => 4
    };
    private readonly Option<int> _seed = ModelOptions.Seed("of the samples");
    private readonly Option<int> _memory =
        ModelOptions.Memory("memory for statistics and a batch; where it is too little for all sites, the text is read several times");
    private readonly Option<bool> _force = OutputOptions.Force("a features.parquet that is");
    private readonly Option<bool> _json = OutputOptions.Json();
    private readonly Option<string?> _out =
        new("--out") { Description = "the file to write, with --explain-pack; with --prompt: Parquet of all positions", HelpName = "FILE" };
    private readonly FeatureLabelModes _labels;
    private readonly FeaturePromptMode _prompt = new();

    private FeaturesCommand(CommonOptions common)
    {
        _common = common;
        _labels = new FeatureLabelModes(_out);
        foreach (var (option, least) in (ReadOnlySpan<(Option<int>, int)>)[(_top, 1), (_window, 0), (_quantiles, 0),
            (_seed, 0)])
        {
            option.AtLeast(least);
        }
        foreach (var (option, most) in (ReadOnlySpan<(Option<int>, int)>)[(_top, 1000), (_window, 1000), (_quantiles, 100)])
        {
            option.AtMost(most);
        }
        _tokens.AtLeast(1);
        _search.NotEmpty("a word");
        _show.Validators.Add(result =>
        {
            if (result.Tokens is not [{ Value: var text }, ..]) return;
            try
            {
                if (FeatureName.Parse(text).Position is { } p)
                {
                    result.AddError($"--show '{text}' names a position, but a dashboard is of all of them; leave @{p} out");
                }
            }
            catch (FormatException e)
            {
                result.AddError($"--show: {e.Message}");
            }
        });
    }

    public static Command Create(CommonOptions common) => new FeaturesCommand(common).Made();

    private Command Made()
    {
        var command = new Command("features",
            Description) { _model, _text, _show, _search, _prompt.Prompt, _sites, _tokens, _top, _window, _quantiles, _seed, _memory,
            _out, _force, _json };
        foreach (var option in (Option[])[.. _prompt.Others, .. _labels.Modes]) command.Options.Add(option);
        command.Checks(Contradictions);
        command.Runs((parsed, cancel) =>
        {
            if (parsed.CommandResult.IsGiven(_prompt.Prompt)) Prompt(parsed, cancel);
            else if (parsed.GetValue(_show) is { } feature) Show(parsed, FeatureName.Parse(feature), cancel);
            else if (parsed.GetValue(_search) is { } word) Search(parsed, word, cancel);
            else if (_labels.IsAsked(parsed)) _labels.Run(parsed, parsed.GetRequiredValue(_model), parsed.Items(_sites), _json, cancel);
            else Read(parsed, parsed.GetValue(_text)!, cancel);
            return ExitCodes.Done;
        });
        return command;
    }

    private void Contradictions(CommandResult result)
    {
        Option[] modes = [_text, _show, _search, _prompt.Prompt, .. _labels.Modes];
        var asked = modes.Where(o => result.IsGiven(o)).ToList();
        if (asked.Count == 0)
        {
            result.AddError("what is to be done? Give --text FILE to read a text, --show FEATURE or --search WORD to see what was read, "
                + "--prompt TEXT to see what is active on it, --import-labels FILE to name features");
        }
        var isShownOnPrompt = asked is [var a, var b] && a == _show && b == _prompt.Prompt;
        if (asked.Count > 1 && !isShownOnPrompt)
        {
            result.AddError($"{asked[0].Name} and {asked[1].Name} ask for different things; give one of them");
        }
        if (asked.Count == 1) _labels.Validate(result, asked[0]);
        if (asked is [var only] && only == _prompt.Prompt && result.IsGiven(_force) && !result.IsGiven(_out))
        {
            result.AddError("--force goes with --out");
        }
        if (asked.Count != 1 && !isShownOnPrompt) return;
        if (Unused(asked).FirstOrDefault(o => result.IsGiven(o)) is { } useless)
        {
            result.AddError($"{useless.Name} has no meaning with {asked[0].Name}; leave it out");
        }
    }

    // options that would be passed over
    private IEnumerable<Option> Unused(List<Option> asked)
    {
        Option[] ofText = [_tokens, _window, _quantiles, _seed], all = [.. ofText, _memory, _force, _top, _sites, _out, .. _prompt.Others];
        return asked switch
        {
            [_, _] => [.. ofText, _top, _sites, _out, _force, .. _prompt.UnusedWithShow],
            [var mode] when mode == _text => [_out, .. _prompt.Others],
            [var mode] when mode == _prompt.Prompt => ofText,
            [var mode] when mode == _search => all.Except([_sites]),
            [var mode] when mode == _labels.Pack => all.Except([_sites, _out]),
            _ => all,
        };
    }

    private void Prompt(ParseResult parsed, CancellationToken cancel)
    {
        var top = parsed.CommandResult.IsGiven(_top) ? parsed.GetValue(_top) : FeaturesPerSite;
        var output = new FeaturePromptOutput(parsed.GetRequiredValue(_model), parsed.Items(_sites), top, parsed.GetValue(_out),
            parsed.GetValue(_force), parsed.GetValue(_json));
        var shown = parsed.GetValue(_show) is { } name ? FeatureName.Parse(name) : null;
        _prompt.Run(parsed, output, shown, _common.Context(parsed, cancel, _memory));
    }

    private void Read(ParseResult parsed, string text, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        var options = new FeatureOptions
        {
            Tokens = parsed.GetValue(_tokens),
            Top = parsed.GetValue(_top),
            Window = parsed.GetValue(_window),
            Quantiles = parsed.GetValue(_quantiles),
            Seed = parsed.GetValue(_seed),
            Force = parsed.GetValue(_force),
        };
        using var line = new ProgressLine(parsed.InvocationConfiguration.Error);
        var progress = new FeatureProgressBar(line);
        line.Report("opening the model");
        FeatureSummary summary;
        try
        {
            using var model = LoadedModel.Open(parsed.GetRequiredValue(_model), parsed.Items(_sites),
                _common.Context(parsed, cancel, _memory));
            summary = FeatureRun.Collect(model, text, options, progress);
        }
        catch (OperationCanceledException) when (progress.Tokens > 0)
        {
            throw new CancelledException(
                $"onnx-attribution: cancelled after {progress.Tokens:N0} tokens; the same command goes on from there");
        }
        line.Dispose();
        var output = parsed.InvocationConfiguration.Output;
        var report = new FeatureSummaryReport(summary, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
    }

    private void Show(ParseResult parsed, FeatureName name, CancellationToken cancel)
    {
        var output = parsed.InvocationConfiguration.Output;
        var shelf = FeatureShelf.Open(parsed.GetRequiredValue(_model));
        var feature = shelf.Feature(name, cancel);
        var report = new FeatureReport(feature, shelf.Labels[feature.Site, feature.Feature]);
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
    }

    private void Search(ParseResult parsed, string word, CancellationToken cancel)
    {
        var output = parsed.InvocationConfiguration.Output;
        var shelf = FeatureShelf.Open(parsed.GetRequiredValue(_model));
        var found = FeatureSearch.Find(shelf.Table, word, shelf.Sites(parsed.Items(_sites)), shelf.Labels, cancel);
        var report = new FeatureSearchReport(word, found);
        if (parsed.GetValue(_json)) Screen.WriteJson(output, report.ToJson());
        else report.Print(output);
    }
}
