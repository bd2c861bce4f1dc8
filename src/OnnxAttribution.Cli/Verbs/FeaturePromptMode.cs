using System.CommandLine;
using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>features --prompt</c>: the features that are active on a prompt, or with --show where on it one of them is.</summary>
internal sealed class FeaturePromptMode
{
    private readonly Option<string?> _against = new("--against")
    {
        Description = "with --prompt: another of as many tokens; features that differ most stand first",
        HelpName = "TEXT"
    };
    private readonly Option<int?> _position = new("--position")
    {
        Description = "with --prompt: the token position to list, from 0, BOS counted; default: the last; --out has all",
        HelpName = "N"
    };
    private readonly Option<float?> _hideDense = NumberOptions.Share("--hide-dense",
        "with --prompt: leave out features that fire at more than this share of a text's tokens", "0.1");
    private readonly PromptOptions _options = new();

    public FeaturePromptMode()
    {
        Prompt.NotEmpty("some text");
        _against.NotEmpty("some text");
        _position.AtLeast(0);
    }

    /// <summary>Asks for it.</summary>
    public Option<string?> Prompt { get; } = new("--prompt")
    {
        Description = "list the features that are active on this text; with --show, where on it that one is",
        HelpName = "TEXT"
    };

    /// <summary>What goes with <see cref="Prompt"/> alone.</summary>
    public IReadOnlyList<Option> Others => [_against, _position, _hideDense, _options.PrependBos];

    /// <summary>The feature that is asked after stands for sites, positions and files.</summary>
    public IEnumerable<Option> UnusedWithShow => [_position, _hideDense];

    /// <param name="shown">One feature; null: all.</param>
    public void Run(ParseResult parsed, FeaturePromptOutput output, FeatureName? shown, RunContext context)
    {
        var start = Stopwatch.GetTimestamp();
        if (output.File is { } free) RunDirectory.CheckRowsFree<ActiveFeature>(free, output.Force);
        var request = new PromptFeatureRequest(parsed.GetRequiredValue(Prompt)!, parsed.GetValue(_against), parsed.GetValue(_hideDense),
            parsed.GetValue(_options.PrependBos));
        var invocation = parsed.InvocationConfiguration;
        using var line = new ProgressLine(invocation.Error);
        line.Report("opening the model");
        using var model = LoadedModel.Open(output.Model, shown is null ? output.Sites : [shown.Site], context);
        string?[] texts = [request.Prompt, request.Against];
        TwiceBegun.Warn(model, texts.OfType<string>().Select(t => new PromptTask(t)), request.PrependBos, isFile: false, invocation.Error);
        line.Report("running");
        if (shown is not null) RequireFeature(model, shown);
        var found = PromptFeatures.Find(model, request);
        var position = parsed.GetValue(_position) ?? found.Tokens.Count - 1;
        model.RequirePosition(position, found.Tokens.Count);
        if (output.File is { } file) found.Write(file, output.Force);
        PromptFeatureReport report;
        if (shown is null)
        {
            var listed = found.At(position, output.Top);
            report = new(found, listed, found.PromotedBy(listed)) { Position = position };
        }
        else
        {
            report = new(found, found.Of(shown.Feature), new Dictionary<(string, int), IReadOnlyList<string>>()) { Shown = shown };
        }
        line.Dispose();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (output.Json) Screen.WriteJson(invocation.Output, report.ToJson(output.File, seconds));
        else report.Print(invocation.Output, output.File, seconds);
    }

    private static void RequireFeature(LoadedModel model, FeatureName shown)
    {
        var dictionary = model.SelectedSites[0].Dictionary;
        if (dictionary is null || shown.Feature < dictionary.FeatureCount) return;
        throw new UsageException($"--show: {model.SelectedSites[0].Site.Name} has no feature {shown.Feature}; "
            + $"its features are 0 to {dictionary.FeatureCount - 1}");
    }
}

/// <summary>What the verb's shared options say.</summary>
/// <param name="Model">The bundle's directory.</param>
/// <param name="Sites">null: all.</param>
/// <param name="Top">Features of each site that are listed.</param>
/// <param name="File">To be written; null: none.</param>
/// <param name="Force">Replace it.</param>
/// <param name="Json">Print JSON.</param>
internal sealed record FeaturePromptOutput(string Model, string[]? Sites, int Top, string? File, bool Force, bool Json);
