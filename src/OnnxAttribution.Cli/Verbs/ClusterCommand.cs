using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>cluster</c>: prompts in clusters, by their circuits or by what a site has of them.</summary>
internal sealed class ClusterCommand
{
    private const string Description = """
        Put prompts in clusters: those of a dataset by the features that their graphs keep or, before any graph is drawn, prompts by the
        activations or gradients at a site.

        Example: onnx-attribution cluster runs/tasks --clusters 2-20 --out runs/clusters
        """;

    private readonly CommonOptions _common;
    private readonly Argument<string> _what = new("DATASET")
    {
        Description = "what graph --prompts wrote; with --by activations or gradients also a file of prompts, or a template"
    };
    private readonly Option<string> _by = ChoiceOptions.OneOf("--by",
        "what prompts are compared by: their graphs' kept nodes, or a site's activations (less their mean) or the metric's gradient there, "
            + "at the metric's position", "nodes", "activations", "gradients");
    private readonly Option<string?> _site = new("--site")
    {
        Description = "of --by activations or gradients, such as 2.resid; default: the residual stream halfway",
        HelpName = "SITE"
    };
    private readonly Option<string?> _model = ModelOptions.OptionalModel($"of --by activations or gradients: {ModelOptions.Bundle}");
    private readonly MetricOptions _metric = new("of --by gradients, read off the logits at --position");
    private readonly Option<bool?> _prependBos = new PromptOptions().PrependBos;
    private readonly Option<string?> _out = new("--out")
    {
        Description = "a directory for clusters.parquet, members.parquet, cluster_nodes.parquet and each cluster's prompts",
        HelpName = "DIR"
    };
    private readonly Option<bool> _force = OutputOptions.Force("clusters that are");
    private readonly Option<bool> _json = OutputOptions.Json();

    private ClusterCommand(CommonOptions common) => _common = common;

    public static Command Create(CommonOptions common) => new ClusterCommand(common).Made();

    private Command Made()
    {
        var command = new Command("cluster", Description)
        {
            _what, _by, _site, _model, _metric.Kind, _metric.Position, _prependBos, _out, _force, _json
        };
        var options = new ClusterOptions(command);
        command.Checks(result => Validate(result, options));
        command.Runs((parsed, cancel) => Run(parsed, options, cancel));
        return command;
    }

    private void Validate(CommandResult result, ClusterOptions options)
    {
        options.Contradict(result);
        OptionLimits.NamesDirectory(result, _out);
        if (result.IsGiven(_force) && !result.IsGiven(_out)) result.AddError("--force goes with --out");
        var by = result.GetResult(_by) is { Tokens: [{ Value: var given }, ..] } ? given : "nodes";
        if (by == "nodes")
        {
            if (((Option[])[_site, _model, _metric.Position, _prependBos]).FirstOrDefault(result.IsGiven) is { } option)
            {
                result.AddError($"{option.Name} goes with --by activations or --by gradients");
            }
        }
        else
        {
            if (!result.IsGiven(_model)) result.AddError($"--by {by} runs the model; give --model DIR");
            if (result.IsGiven(options.Edges)) result.AddError("--edges goes with --by nodes");
        }
        if (by != "gradients" && result.IsGiven(_metric.Kind)) result.AddError("--metric goes with --by gradients");
        if (by == "gradients" && result.GetResult(_metric.Kind)?.Tokens is [{ Value: "kl" }])
        {
            result.AddError("--metric kl has gradient 0 at the clean run; take another metric");
        }
    }

    private int Run(ParseResult parsed, ClusterOptions options, CancellationToken cancel)
    {
        var (start, what, place) = (Stopwatch.GetTimestamp(), parsed.GetRequiredValue(_what), parsed.GetValue(_out));
        if (place is not null) ClusterDirectory.CheckFree(place, parsed.GetValue(_force));
        var context = _common.Context(parsed, cancel, options.Memory);
        var request = options.Request(parsed, context);
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        var by = parsed.GetRequiredValue(_by);
        var run = by != "nodes" ? OfSite(parsed, what, (request, context), progress)
            : DatasetNames.Is(what) ? ClusterRun.OfGraphs(what, request, progress, cancel)
            : throw new UsageException($"{what} is no dataset; make one with 'onnx-attribution graph --prompts FILE', or compare "
                + "prompts by --by activations");
        progress.Report("writing");
        var report = new ClusterReport(run, what, by, request);
        if (place is not null) report.Write(place, parsed.GetValue(_force), cancel);
        progress.Dispose();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parsed.GetValue(_json)) Screen.WriteJson(parsed.InvocationConfiguration.Output, report.ToJson(place, seconds));
        else report.Print(parsed.InvocationConfiguration.Output, place, seconds);
        return ExitCodes.Done;
    }

    private ClusterRun OfSite(ParseResult parsed, string what, (ClusterRequest Request, RunContext Context) asked, ProgressLine progress)
    {
        var dataset = DatasetNames.Is(what) ? DatasetDirectory.Read(what) : null;
        var metric = new MetricRequest(Metric(parsed, dataset), parsed.GetValue(_metric.Position) ?? dataset?.Record.Position);
        var prependBos = parsed.GetValue(_prependBos) ?? dataset?.Record.PrependBos;
        var prompts = dataset is not null ? ClusterRun.PromptsOf(what, asked.Context.Cancel)
            : [.. PromptFile.Read(what)
                .Select(l => new SitePrompt(l.Line, l.Task ?? throw new PromptException($"{what}, line {l.Line}: {l.Error}")))];
        progress.Report("opening the model");
        var directory = parsed.GetRequiredValue(_model)!;
        var site = parsed.GetValue(_site) ?? Halfway(directory);
        // before the site is looked for: another model may lack it
        if (dataset is { Record: var record } && File.Exists(Path.Combine(directory, BundleManifest.FileName)))
        {
            CircuitSource.RequireModel(what, (record.Model, record.BundleSha256), (directory, LoadedModel.HashOf(directory)));
        }
        using var model = LoadedModel.Open(directory, [site], asked.Context, prompts.Count);
        if (model.Selected.Count != 1)
        {
            throw new UsageException($"--site {site} is {model.Selected.Count} sites; name one, such as {model.Selected[0].ShortName}");
        }
        progress.Dispose();
        TwiceBegun.Warn(model, prompts.Select(p => p.Task), prependBos, isFile: true, parsed.InvocationConfiguration.Error);
        var request = new SiteVectorRequest(parsed.GetValue(_by) == "gradients", metric, prependBos);
        return ClusterRun.OfSite(model, prompts, request, asked.Request, progress);
    }

    // the dataset's, unless it is given; activations have no use for it
    private MetricKind Metric(ParseResult parsed, DatasetDirectory? dataset)
    {
        if (dataset is null || parsed.GetValue(_by) != "gradients" || _metric.GivenIn(parsed) is not null) return _metric.KindIn(parsed);
        var kind = RecordedValues.MetricOf(dataset) ?? _metric.KindIn(parsed);
        return kind != MetricKind.Kl ? kind
            : throw new UsageException($"{dataset.Path} has graphs of --metric kl, which has gradient 0 at the clean run; give another "
                + "--metric");
    }

    private static string Halfway(string model)
    {
        var sites = ModelBundle.Open(model).Sites.Where(s => s.Kind == SiteKind.Resid).ToList();
        return sites.Count > 0 ? sites[sites.Count / 2].Name
            : throw new UsageException("the model has no residual site; name one with --site");
    }
}
