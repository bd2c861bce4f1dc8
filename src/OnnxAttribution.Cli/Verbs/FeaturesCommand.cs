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
        written. An interrupted run is gone on from by the same command. With --import-labels, name features by what others say of them;
        --explain-pack and --score-labels let a language model say it.

        Example: onnx-attribution features --model models/tiny --text corpus.txt.gz --tokens 1000000
                 onnx-attribution features --model models/tiny --show 3:263
        """;

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
    private readonly Option<string?> _sites = ModelOptions.Sites("with --text or --search, only these");
    private readonly Option<int?> _tokens = new("--tokens") { Description = "tokens of the text to read; default: all", HelpName = "N" };
    private readonly Option<int> _top =
        new("--top") { Description = "strongest contexts per feature", HelpName = "N", DefaultValueFactory = _ => 20 };
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
    private readonly FeatureLabelModes _labels = new();

    private FeaturesCommand(CommonOptions common)
    {
        _common = common;
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
            Description) { _model, _text, _show, _search, _sites, _tokens, _top, _window, _quantiles, _seed, _memory, _force, _json };
        foreach (var option in _labels.All) command.Options.Add(option);
        command.Checks(Contradictions);
        command.Runs((parsed, cancel) =>
        {
            if (parsed.GetValue(_show) is { } feature) Show(parsed, FeatureName.Parse(feature), cancel);
            else if (parsed.GetValue(_search) is { } word) Search(parsed, word, cancel);
            else if (_labels.IsAsked(parsed)) _labels.Run(parsed, parsed.GetRequiredValue(_model), parsed.Items(_sites), _json, cancel);
            else Read(parsed, parsed.GetValue(_text)!, cancel);
            return ExitCodes.Done;
        });
        return command;
    }

    private void Contradictions(CommandResult result)
    {
        Option[] modes = [_text, _show, _search, .. _labels.Modes];
        var asked = modes.Where(o => result.IsGiven(o)).ToList();
        if (asked.Count == 0)
        {
            result.AddError("what is to be done? Give --text FILE to read a text, --show FEATURE or --search WORD to see what was read, "
                + "--import-labels FILE to name features");
        }
        if (asked.Count > 1) result.AddError($"{asked[0].Name} and {asked[1].Name} ask for different things; give one of them");
        if (asked.Count == 1) _labels.Validate(result, asked[0]);
        if (asked.Count != 1 || asked[0] == _text) return;
        Option[] ofText = asked[0] == _search || asked[0] == _labels.Pack
            ? [_tokens, _top, _window, _quantiles, _seed, _memory, _force]
            : [_sites, _tokens, _top, _window, _quantiles, _seed, _memory, _force];
        if (ofText.FirstOrDefault(o => result.IsGiven(o)) is { } useless)
        {
            result.AddError($"{useless.Name} has no meaning with {asked[0].Name}; leave it out");
        }
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
