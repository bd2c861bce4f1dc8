using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>ablate</c> without more: every active feature of every selected site in turn,
/// and what that does to the next sites' features, to the metric and to the next token.</summary>
internal sealed class AblateGraphMode : AblateMode
{
    private readonly Option<float> _coefficient;

    private readonly Option<string> _positions = ChoiceOptions.OneOf("--positions",
        "where a feature is ablated: at all positions together, at the last, or at each in turn", "all", "last", "each");
    private readonly Option<string> _measure = ChoiceOptions.OneOf("--measure", "where downstream features are read", "all", "last");
    private readonly Option<int?> _topEdges = new("--top-edges")
    {
        Description = "edges kept per pair of sites, by |effect| (100, or no limit with --threshold)",
        HelpName = "N"
    };
    private readonly Option<float?> _threshold =
        NumberOptions.Threshold("--threshold", "least |effect| of a kept edge, as a change of the downstream activation", "0.5");
    private readonly Option<int?> _minPath = new("--min-path")
    {
        Description = "keep only edges on a path of so many edges (2, or 1 where the sites allow no more)",
        HelpName = "N"
    };
    private readonly Option<bool> _noPage = OutputOptions.NoPage();
    private readonly Option<bool> _noTokens = new("--no-tokens") { Description = "edges only: neither the metric nor the next token" };
    private readonly Option<bool> _noLogits = new("--no-logits") { Hidden = true };   // the former name, for one version

    /// <param name="coefficient">An option that other modes may have too.</param>
    public AblateGraphMode(Option<float> coefficient)
    {
        _coefficient = coefficient;
        _topEdges.AtLeast(0);
        _minPath.AtLeast(1);
    }

    public override IReadOnlyList<Option> Options =>
        [_coefficient, _positions, _measure, _topEdges, _threshold, _minPath, _noTokens, _noLogits, _noPage];

    public override Option? Choice => null;

    public override IReadOnlyList<Option> Unused(AblateArguments shared) => [shared.Seed];

    public override void Validate(CommandResult result, AblateArguments shared)
    {
        if (result.GetResult(shared.Out) is null) result.AddError("--out is missing; name the run directory to write");
        OptionLimits.NamesDirectory(result, shared.Out);
        shared.Prompt.RefuseBesideMany(result, shared.Prompt.Target, shared.Prompt.Foil);
    }

    public override int Run(ParseResult parsed, AblateArguments shared, RunContext context, long start)
    {
        WarnOfFormerName(parsed);
        var tasks = shared.Tasks(parsed);
        var place = new Place(parsed.GetRequiredValue(shared.Out)!, parsed.GetValue(shared.Prompt.Many) is not null,
            parsed.GetValue(shared.Force), !parsed.GetValue(_noPage), start);
        foreach (var task in tasks) RunDirectory.CheckFree(place.Of(task), place.Force);
        var request = new AblationRequest(AskedFor(parsed, shared), parsed.GetValue(shared.Prompt.PrependBos), parsed.WrittenOut());
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("opening the model");
        using var model = LoadedModel.Open(parsed.GetValue(shared.Model)!, shared.SiteNames(parsed), context, tasks.Count);
        shared.Check(parsed, model, tasks, progress);
        var (json, output, objects) = (parsed.GetValue(shared.Json), parsed.InvocationConfiguration.Output, new JsonArray());
        foreach (var report in Reports(model, tasks, request, place, progress))
        {
            if (json) objects.Add((JsonNode)report.ToJson());
            else report.Print(output);
        }
        if (json)
        {
            Screen.WriteJson(output, place.HasMany
                ? new JsonObject { ["runs"] = objects, ["seconds_in_all"] = Stopwatch.GetElapsedTime(start).TotalSeconds }
                : objects[0]!.AsObject());
        }
        return ExitCodes.Done;
    }

    /// <summary>Where runs go, and how.</summary>
    /// <param name="HasMany">A directory each below it, of a file of prompts.</param>
    private sealed record Place(string Directory, bool HasMany, bool Force, bool Page, long Start)
    {
        public string Of(PromptTask task) => HasMany ? Path.Combine(Directory, task.Id!) : Directory;
    }

    // one after the other, so that each is printed as soon as it is written
    private static IEnumerable<AblateGraphReport> Reports(LoadedModel model, IReadOnlyList<PromptTask> tasks, AblationRequest request,
        Place place, ProgressLine progress)
    {
        for (var finished = 0; finished < tasks.Count; finished++)
        {
            AblateGraphReport report;
            try
            {
                report = Report(model, tasks[finished], request, place, progress);
            }
            catch (OperationCanceledException e) when (place.HasMany && finished + (e is CancelledException ? 1 : 0) is var runs and > 0)
            {
                throw new CancelledException(
                    $"onnx-attribution: cancelled; {Screen.Count(runs, "finished run")} stay{(runs == 1 ? "s" : "")} in {place.Directory}");
            }
            progress.Dispose();
            yield return report;
        }
    }

    /// <exception cref="CancelledException">The run is written, its page is not.</exception>
    private static AblateGraphReport Report(LoadedModel model, PromptTask task, AblationRequest request, Place place,
        ProgressLine progress)
    {
        var (directory, run) = (place.Of(task), AblationRun.Find(model, task, request, progress));
        progress.Report("writing");
        var record = run.Write(directory, place.Force);
        var page = PageOfRun.Write(directory, place.Page, progress, model.Context.Cancel);
        return new AblateGraphReport(run, record with { PeakMemoryBytes = page.PeakMemory ?? record.PeakMemoryBytes }, directory, page,
            Stopwatch.GetElapsedTime(place.Start).TotalSeconds);
    }

    private void WarnOfFormerName(ParseResult parsed)
    {
        if (!parsed.GetValue(_noLogits)) return;
        parsed.InvocationConfiguration.Error.WriteLine(
            $"warning: {_noLogits.Name} is called {_noTokens.Name} now; the next version does not know the old name");
    }

    private AblationOptions AskedFor(ParseResult parsed, AblateArguments shared)
    {
        var (top, threshold) = (parsed.GetValue(_topEdges), parsed.GetValue(_threshold));
        return new AblationOptions(new(shared.Metric.KindIn(parsed), parsed.GetValue(shared.Metric.Position)),
            Coefficient: parsed.GetValue(_coefficient),
            Positions: Enum.Parse<AblationPositions>(parsed.GetRequiredValue(_positions), ignoreCase: true),
            Measure: Enum.Parse<AblationMeasure>(parsed.GetRequiredValue(_measure), ignoreCase: true), TopEdges: top ?? (threshold is null
                    ? new AblationOptions().TopEdges
                    : null), Threshold: threshold ?? 0, MinPath: parsed.GetValue(_minPath),
            Logits: !parsed.GetValue(_noTokens) && !parsed.GetValue(_noLogits));
    }
}
